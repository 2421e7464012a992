"""A batch as whole columns: for authors who work on lists rather than on rows."""

from __future__ import annotations

from itertools import compress, count
from typing import Any, Generic, Iterable, Optional, Sequence, TypeVar

from . import bitmap
from .plan import OutputPlan, Plan
from .row import Field, fields_of
from .types import ColumnType

R = TypeVar("R")


class Columns(Generic[R]):
    """The columns of a batch, under the attributes of the row class `R`.

    An attribute is a list with a value for each row, `None` where it is null; it is fetched when it is first used.
    Assigning to one that is `write()` or `new()` writes the column: any sequence that is as long as the batch, once. One
    that is `new()` and not assigned holds its default.

        @plugin
        def fahrenheit(rows: Columns[Reading]) -> None:
            rows.temperature = [degrees * 1.8 + 32 for degrees in rows.temperature]
    """

    __slots__ = ("_batch", "_plan", "_fields", "_read", "_written", "_kept", "_rejected", "_call")

    def __init__(self, row: type, plan: Plan, batch: Any, call: Any):
        values = {
            "batch": batch, "plan": plan, "fields": {field.attribute: field for field in fields_of(row)},
            "read": {}, "written": {}, "kept": None, "rejected": [], "call": call,
        }
        for name, value in values.items():
            object.__setattr__(self, f"_{name}", value)

    def __len__(self) -> int:
        return self._batch.rows()

    def __getattr__(self, name: str) -> Any:
        if name in self._written:
            return self._written[name]
        if name not in self._read:
            field = self._field(name)
            if not field.is_read:
                raise AttributeError(f"`{name}` is new: it is written, not read")
            place = self._plan.places[name]
            rows = len(self)
            self._read[name] = [None] * rows if place is None else field.type.read(self._batch.read(place), rows)
        return self._read[name]

    def __setattr__(self, name: str, values: Sequence) -> None:
        if not self._field(name).is_written:
            raise AttributeError(f"`{name}` is only read: declare it as write() or new()")
        if len(values) != len(self):
            raise ValueError(f"`{name}`: {len(values)} values for {len(self)} rows")
        self._written[name] = values

    def array(self, name: str) -> memoryview:
        """The numbers of a column without a Python object for each: of `int`, `float`, and what is stored as one
        (`datetime` in microseconds, `date` in days). Anything where a value is null; see `valid`."""
        field, column = self._field(name), self._buffers(name)
        code = getattr(field.type, "code", None)
        if code is None:
            raise TypeError(f"`{name}` is {field.type}: only numbers are an array")
        return memoryview(column.buffers[0]).cast(code)

    def valid(self, name: str) -> Optional[bytes]:
        """One byte for each row, 0 where the column is null; None if it has no nulls."""
        valid = self._buffers(name).valid
        return None if valid is None else bitmap.unpack(valid, len(self))

    def keep(self, flags: Iterable) -> None:
        """Keeps the rows whose flag is true and drops the others. More than one call: rows that all of them keep."""
        flags = bytes(map(bool, flags))
        if len(flags) != len(self):
            raise ValueError(f"{len(flags)} flags for {len(self)} rows")
        if self._kept is not None:
            flags = bytes(map(min, flags, self._kept))
        object.__setattr__(self, "_kept", flags)

    def reject(self, flags: Iterable, reason: str) -> None:
        """Makes dead letters of the rows whose flag is true, for one reason."""
        flags = list(flags)
        if len(flags) != len(self):
            raise ValueError(f"{len(flags)} flags for {len(self)} rows")
        rows = list(compress(count(), flags))
        if rows:
            self._rejected.append((rows, reason))

    def emit(self, row: Any, parent: int) -> None:
        """Emits a row of an output; `parent` is the number of the row in this batch that it comes from."""
        if not 0 <= parent < len(self):
            raise IndexError(f"row {parent} of {len(self)}")
        self._call.row = parent
        self._call.emit(row)

    def _field(self, name: str) -> Field:
        try:
            return self._fields[name]
        except KeyError:
            raise AttributeError(f"there is no column `{name}`; there are {', '.join(self._fields)}") from None

    def _buffers(self, name: str) -> Any:
        place = self._plan.places.get(self._field(name).attribute)
        if place is None:
            raise AttributeError(f"`{name}` is not read, or the stream has no such column")
        return self._batch.read(place)

    def finish(self) -> None:
        """Hands what was written, kept and rejected to the batch; for the SDK."""
        rows, removed = len(self), set()
        for numbers, reason in self._rejected:
            fresh = [number for number in numbers if number not in removed]
            removed.update(fresh)
            if fresh:
                self._batch.reject(fresh, reason)
        kept = self._kept
        if kept is not None:
            removed.update(number for number, flag in enumerate(kept) if not flag)
            self._batch.keep(bitmap.pack(kept))
        for number, field in enumerate(field for field in self._fields.values() if field.is_written):
            values = self._written.get(field.attribute)
            if values is None and field.is_read and self._plan.places[field.attribute] is not None:
                continue
            if values is None:
                values = [field.default] * rows
            write_column(self._batch, number, field, _without(values, removed, field.type))


def _without(values: Sequence, removed: set, kind: ColumnType) -> Sequence:
    """Rows that are not seen may hold anything; what is written of them is sound."""
    if not removed:
        return values
    return [kind.zero if number in removed else value for number, value in enumerate(values)]


def write_column(batch: Any, number: int, field: Field, values: Sequence) -> None:
    """Writes a column; an error names it."""
    try:
        batch.write(number, field.type.write(values, field.nullable))
    except (TypeError, ValueError, OverflowError) as error:
        raise type(error)(f"column `{field.column}` {error}") from None


def write_output(batch: Any, number: int, output: OutputPlan, parents: list[int], rows: list) -> None:
    """Emits the rows of one output."""
    columns = {}
    for field, place in output.written:
        try:
            columns[place] = field.type.write([getattr(row, field.attribute) for row in rows], field.nullable)
        except (TypeError, ValueError, OverflowError) as error:
            raise type(error)(f"column `{field.column}` of output `{output.name}` {error}") from None
    batch.emit(number, parents, columns)
