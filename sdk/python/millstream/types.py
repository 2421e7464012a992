"""Column types: which annotation of Python stands for which type of the ABI, and how a column's buffers become a
list of Python values and back. Whole columns pass, never single values; `None` stands for null.

| annotation | column |
|---|---|
| `bool`, `int`, `float`, `str`, `bytes` | boolean, int64, float64, utf8, binary |
| `Int32`, `Float32` | int32, float32 |
| `datetime.date` | date |
| `datetime.datetime` | timestamp in microseconds: an instant, read and written with a time zone, in UTC when read |
| `Timestamp` | the same as an `int`: microseconds since 1970-01-01T00:00:00Z; several times faster than `datetime` |
| `LocalDatetime`, `LocalTimestamp` | both without a zone: what a clock on some wall showed |
| `list[float]` | list of float64; an item that is null is NaN |
| `list[str]` | list of utf8; an item that is null is `None` |
| each `\\| None` | the same, with nulls |

An `int` is exact in 64 bits and a larger one is refused; a `float` column takes integers too. A `str` with a lone
surrogate is no UTF-8 and is refused.
"""

from __future__ import annotations

import datetime
import types
import typing
from array import array
from itertools import accumulate, chain, repeat
from operator import is_not
from typing import Annotated, Any, Iterable, NamedTuple, Optional, Sequence, Union

from . import bitmap

__all__ = ["ColumnType", "Float32", "Int32", "LocalDatetime", "LocalTimestamp", "Timestamp", "column_type"]

_FALSE_TRUE = (False, True)
_EPOCH = datetime.datetime(1970, 1, 1)
_EPOCH_UTC = _EPOCH.replace(tzinfo=datetime.timezone.utc)
_EPOCH_DAY = _EPOCH.toordinal()
_MICROSECOND = datetime.timedelta(microseconds=1)


class Buffers(NamedTuple):
    """A column as the ABI's `raw`: Arrow's buffers without the validity, and the validity as a bitmap."""

    buffers: list
    valid: Optional[bytes]


class _ItemError(ValueError):
    """An item of a list is at fault; raised from its error."""


class ColumnType:
    """A type of the ABI. Subclasses know the layout."""

    def __init__(self, name: str, python: str, zero: Any):
        self.name, self.python, self.zero = name, python, zero

    def __repr__(self) -> str:
        return self.name

    def unpack(self, buffers: list, rows: int) -> list:
        """The values, with anything where a value is null."""
        raise NotImplementedError

    def pack(self, values: Sequence) -> list:
        """The buffers of values without `None`. Raises what the first wrong value raises."""
        raise NotImplementedError

    def read(self, column: Buffers, rows: int) -> list:
        """The values of a column, `None` where they are null."""
        values = self.unpack(column.buffers, rows)
        if column.valid is None:
            return values
        return [value if valid else None for value, valid in zip(values, bitmap.unpack(column.valid, rows))]

    def write(self, values: Sequence, nullable: bool) -> Buffers:
        """The buffers of a column. Raises TypeError, ValueError or OverflowError if a value is none of this type."""
        try:
            return Buffers(self.pack(values), None)
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            if nullable:
                valid = bytes(map(is_not, values, repeat(None)))
                if not all(valid):
                    filled = [self.zero if value is None else value for value in values]
                    return Buffers(self.write(filled, False).buffers, bitmap.pack(valid))
            raise self._blame(values, nullable, error) from None

    def _blame(self, values: Sequence, nullable: bool, error: Exception) -> Exception:
        """The error of the first value that is at fault; it names no value, as reasons may be counted."""
        takes = f"{self.python} or None" if nullable else self.python
        for value in values:
            try:
                self.pack([value])
            except _ItemError as wrong:
                return type(wrong.__cause__)(f"in a list {wrong.__cause__}")
            except OverflowError:
                return OverflowError(f"takes {takes} and cannot hold one of this size")
            except UnicodeEncodeError:
                return ValueError("takes text that is Unicode, without lone surrogates")
            except (TypeError, ValueError, AttributeError):
                return TypeError(f"takes {takes}, not {'None' if value is None else type(value).__name__}")
        return error


class _Booleans(ColumnType):
    def unpack(self, buffers, rows):
        return list(map(_FALSE_TRUE.__getitem__, bitmap.unpack(buffers[0], rows)))

    def pack(self, values):
        return [bitmap.pack(bytes(values))]


class _Numbers(ColumnType):
    """Fixed width, by a type code of `array`."""

    def __init__(self, name, python, zero, code):
        super().__init__(name, python, zero)
        self.code = code

    def unpack(self, buffers, rows):
        return memoryview(buffers[0]).cast(self.code).tolist()

    def pack(self, values):
        return [array(self.code, values).tobytes()]


class _Mapped(_Numbers):
    """Numbers that are shown as another type; `show` and `store` take and give any iterable of all of them."""

    def __init__(self, name, python, zero, code, show, store):
        super().__init__(name, python, zero, code)
        self.show, self.store = show, store

    def unpack(self, buffers, rows):
        return list(self.show(super().unpack(buffers, rows)))

    def pack(self, values):
        return super().pack(self.store(values))


class _Texts(ColumnType):
    def unpack(self, buffers, rows):
        offsets, data = memoryview(buffers[0]).cast("i").tolist(), buffers[1]
        text = data.decode()
        if len(text) == len(data):
            return list(map(text.__getitem__, map(slice, offsets, offsets[1:])))
        return [data[begin:end].decode() for begin, end in zip(offsets, offsets[1:])]

    def pack(self, values):
        text = "".join(values)
        if text.isascii():
            return [_offsets(values), text.encode()]
        encoded = [value.encode() for value in values]
        return [_offsets(encoded), b"".join(encoded)]


class _Binaries(ColumnType):
    def unpack(self, buffers, rows):
        offsets = memoryview(buffers[0]).cast("i").tolist()
        return list(map(buffers[1].__getitem__, map(slice, offsets, offsets[1:])))

    def pack(self, values):
        data = b"".join(values)
        return [_offsets(values), data]


class _Lists(ColumnType):
    """Lists of `item`. Items that are null are `null_item`; if that is `None`, they are written as null as well."""

    def __init__(self, name, python, item: ColumnType, null_item: Any):
        super().__init__(name, python, ())
        self.item, self.null_item = item, null_item

    def unpack(self, buffers, rows):
        offsets = memoryview(buffers[0]).cast("i").tolist()
        items = self.item.read(Buffers(buffers[2:], buffers[1] or None), offsets[-1])
        if self.null_item is not None and None in items:
            items = [self.null_item if item is None else item for item in items]
        return list(map(items.__getitem__, map(slice, offsets, offsets[1:])))

    def pack(self, values):
        if str in map(type, values):
            raise TypeError
        items = list(chain.from_iterable(values))
        try:
            column = self.item.write(items, self.null_item is None)
        except (TypeError, ValueError, OverflowError) as error:
            raise _ItemError from error
        return [_offsets(values), column.valid or b"", *column.buffers]


def _offsets(values: Iterable) -> bytes:
    return array("i", accumulate(map(len, values), initial=0)).tobytes()


def _instants(epoch: datetime.datetime) -> tuple:
    def show(values):
        return map(epoch.__add__, map(datetime.timedelta, repeat(0), repeat(0), values))

    def store(values):
        return [(value - epoch) // _MICROSECOND for value in values]

    return show, store


def _dates_shown(values):
    return map(datetime.date.fromordinal, map(_EPOCH_DAY.__add__, values))


def _dates_stored(values):
    return [value.toordinal() - _EPOCH_DAY for value in values]


_FLOAT64 = _Numbers("float64", "float", 0.0, "d")
_UTF8 = _Texts("utf8", "str", "")
_TIMESTAMP = _Numbers("timestamp", "int", 0, "q")
_LOCAL_TIMESTAMP = _Numbers("local-timestamp", "int", 0, "q")

Int32 = Annotated[int, _Numbers("int32", "int", 0, "i")]
"""An `int` of 32 bits."""
Float32 = Annotated[float, _Numbers("float32", "float", 0.0, "f")]
"""A `float` of 32 bits."""
Timestamp = Annotated[int, _TIMESTAMP]
"""An instant: microseconds since 1970-01-01T00:00:00Z."""
LocalTimestamp = Annotated[int, _LOCAL_TIMESTAMP]
"""A time of a zone not stated: microseconds since 1970-01-01T00:00:00 on its clock."""
LocalDatetime = Annotated[
    datetime.datetime, _Mapped("local-timestamp", "datetime without a zone", _EPOCH, "q", *_instants(_EPOCH))
]
"""A `datetime` without a zone."""

_PLAIN = {
    bool: _Booleans("boolean", "bool", False),
    int: _Numbers("int64", "int", 0, "q"),
    float: _FLOAT64,
    str: _UTF8,
    bytes: _Binaries("binary", "bytes", b""),
    datetime.date: _Mapped("date", "date", _EPOCH.date(), "i", _dates_shown, _dates_stored),
    datetime.datetime: _Mapped("timestamp", "datetime with a zone", _EPOCH_UTC, "q", *_instants(_EPOCH_UTC)),
    list[float]: _Lists("float64-list", "list of float", _FLOAT64, float("nan")),
    list[str]: _Lists("utf8-list", "list of str and None", _UTF8, None),
}


def column_type(annotation: Any) -> tuple[ColumnType, bool]:
    """The column type of an annotation, and whether it may be null. Raises TypeError if there is none."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        values = [value for value in typing.get_args(annotation) if value is not types.NoneType]
        if len(values) == 1:
            return column_type(values[0])[0], True
    elif typing.get_origin(annotation) is Annotated:
        for mark in annotation.__metadata__:
            if isinstance(mark, ColumnType):
                return mark, False
        return column_type(annotation.__origin__)
    elif annotation in _PLAIN:
        return _PLAIN[annotation], False
    raise TypeError(f"{annotation!r} is no column type: there are {', '.join(_names())}, each `| None`")


def _names() -> list:
    plain = [getattr(each, "__name__", str(each)) if "[" not in str(each) else str(each) for each in _PLAIN]
    return [*plain, "Int32", "Float32", "Timestamp", "LocalTimestamp", "LocalDatetime"]
