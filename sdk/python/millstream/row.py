"""Rows: a class whose annotations say which columns a plugin reads and writes, or what rows for another table look
like. The class is the projection; what it does not name never enters the plugin.

The decorators make dataclasses with slots, so that a misspelt attribute is an error. Nothing here moves data.
"""

from __future__ import annotations

import dataclasses
import enum
import typing
from dataclasses import dataclass
from typing import Any, Callable, Optional

from .types import ColumnType, column_type

__all__ = ["inherit", "new", "output", "read", "row", "write"]

# No default was given; `dataclasses.MISSING` cannot be one itself.
_MISSING: Any = ...


class Use(enum.Enum):
    """What is done with a column."""

    READ = "read"
    WRITE = "write"
    NEW = "new"
    INHERIT = "inherit"


@dataclass(frozen=True)
class _Mark:
    """The right side of an annotation, as `read("location.lat")`."""

    use: Use
    name: Optional[str] = None
    optional: bool = False
    drop: bool = False
    default: Any = _MISSING


@dataclass(frozen=True)
class Field:
    """One annotation of a row or an output."""

    attribute: str
    column: str
    type: ColumnType
    nullable: bool
    use: Use
    optional: bool
    drop: bool
    default: Any

    @property
    def is_read(self) -> bool:
        return self.use in (Use.READ, Use.WRITE)

    @property
    def is_written(self) -> bool:
        return self.use in (Use.WRITE, Use.NEW)


def read(name: Optional[str] = None, *, optional: bool = False, drop: bool = False) -> Any:
    """A column that is read; so is an annotation without anything behind it.

    `name`: the column's, if it is not the attribute's. `optional`: `None` in every row if the stream has no such
    column. `drop`: the column is taken out of the stream.
    """
    return _Mark(Use.READ, name, optional, drop)


def write(name: Optional[str] = None, *, optional: bool = False) -> Any:
    """A column that is read and written back. `optional`: it is written even if the stream had none."""
    return _Mark(Use.WRITE, name, optional)


def new(name: Optional[str] = None, *, default: Any = _MISSING) -> Any:
    """A column that is written and not read: a new one, or one of another type in place of the old one.

    It begins as `default`, or as `None` if it may be null, or else as zero or empty. In an `output` it is what an
    annotation without anything behind it is; without a default it must be given, unless it may be null.
    """
    return _Mark(Use.NEW, name, default=default)


def inherit(name: Optional[str] = None) -> Any:
    """A column of an `output` that is taken from the row that the new one comes from."""
    return _Mark(Use.INHERIT, name)


@typing.dataclass_transform(kw_only_default=True, field_specifiers=(read, write, new)) if hasattr(
    typing, "dataclass_transform"
) else lambda decorator: decorator
def row(cls: Optional[type] = None, *, rename: Optional[str] = None) -> Any:
    """Makes a class the row of a stream, as a plugin sees it.

        @row(rename="camelCase")
        class Vehicle:
            latitude: float | None = read("location.lat")   # nested fields are dotted columns
            speed: float                                    # never null: a stream that allows it is refused
            fuel_type: str | None = write()                 # `fuelType`, read and written back
            speeding: bool = new()                          # a new column
            checksum: int | None = read(drop=True)          # read, and taken out of the stream

    `rename="camelCase"` is for columns whose name is not given. Changes to what is only read are lost. A written value of
    a row that is dropped or rejected is never seen.
    """
    uses = (Use.READ, Use.WRITE, Use.NEW)
    return _decorated(cls, lambda cls: _declare(cls, Use.READ, uses, rename, always_default=True))


@typing.dataclass_transform(kw_only_default=True, field_specifiers=(new, inherit)) if hasattr(
    typing, "dataclass_transform"
) else lambda decorator: decorator
def output(cls: Optional[type] = None, *, table: Optional[str] = None, rename: Optional[str] = None) -> Any:
    """Makes a class the rows that a plugin makes besides those that it passes on; see `millstream.emit`.

        @output(table="alerts")
        class Alert:
            plate: str | None = inherit()   # from the row that the alert comes from, column `plate`
            severity: int
            note: str | None = None

    `table` names the output, for the stream's configuration to route. Without it the rows go on in the stream, where each
    annotation must be one of the columns behind this step; columns that are not named are inherited.
    """

    def decorate(cls: type) -> type:
        made = _declare(cls, Use.NEW, (Use.NEW, Use.INHERIT), rename, always_default=False)
        made.__millstream_table__ = table
        return made

    return _decorated(cls, decorate)


def fields_of(cls: type) -> list[Field]:
    """The fields of a row or an output, in the order of their annotations. Raises TypeError for any other class."""
    fields = getattr(cls, "__millstream_fields__", None)
    if fields is None:
        raise TypeError(f"{getattr(cls, '__name__', cls)} is no row: write @row above it, or @output")
    return fields


def _decorated(cls: Optional[type], decorate: Callable[[type], type]) -> Any:
    return decorate if cls is None else decorate(cls)


def _camel_case(attribute: str) -> str:
    first, *others = attribute.split("_")
    return first + "".join(other.capitalize() for other in others)


_RENAMES: dict[Optional[str], Callable[[str], str]] = {None: str, "camelCase": _camel_case}


def _declare(cls: type, first: Use, uses: tuple, rename: Optional[str], always_default: bool) -> type:
    if rename not in _RENAMES:
        raise TypeError(f"{cls.__name__}: rename={rename!r} is unknown: there is 'camelCase'")
    fields = []
    for attribute, hint in typing.get_type_hints(cls, include_extras=True).items():
        field = _field(cls, attribute, hint, first, uses, _RENAMES[rename])
        if always_default and field.use is Use.NEW and field.default is _MISSING:
            field = dataclasses.replace(field, default=field.type.zero)
        setattr(cls, attribute, _slot(field))
        fields.append(field)
    _check_unique(cls, fields)
    made = dataclass(cls, slots=True, kw_only=True)
    made.__millstream_fields__ = fields
    return made


def _field(
    cls: type, attribute: str, hint: Any, first: Use, uses: tuple, renamed: Callable[[str], str]
) -> Field:
    place = f"{cls.__name__}.{attribute}"
    mark = getattr(cls, attribute, _Mark(first))
    if not isinstance(mark, _Mark):
        mark = _Mark(first, default=mark)
    if mark.use not in uses:
        raise TypeError(f"{place} cannot be {mark.use.value}(): there are {', '.join(f'{use.value}()' for use in uses)}")
    if mark.default is not _MISSING and mark.use is not Use.NEW:
        raise TypeError(f"{place} has a default and is read: write new(default=...), or no default")
    try:
        kind, nullable = column_type(hint)
    except TypeError as error:
        raise TypeError(f"{place}: {error}") from None
    if mark.optional and not nullable:
        raise TypeError(f"{place} is optional, so it must be `| None`")
    default = None if mark.default is _MISSING and nullable else mark.default
    column = mark.name or renamed(attribute)
    return Field(attribute, column, kind, nullable, mark.use, mark.optional, mark.drop, default)


def _slot(field: Field) -> Any:
    if field.use is Use.INHERIT:
        return dataclasses.field(default=None, init=False)
    return dataclasses.field() if field.default is _MISSING else dataclasses.field(default=field.default)


def _check_unique(cls: type, fields: list[Field]) -> None:
    for verb, columns in (
        ("read", [field.column for field in fields if field.is_read]),
        ("written", [field.column for field in fields if not field.is_read or field.is_written]),
    ):
        for column in columns:
            if columns.count(column) > 1:
                raise TypeError(f"{cls.__name__}: column `{column}` is {verb} twice")
