"""What a plugin tells the host before any row flows: the columns that it reads, writes and takes out, and its
outputs. Derived from the classes of rows and the stream's columns; the component turns it into the ABI's records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence

from .row import Field, Use, fields_of

__all__ = ["Column", "OutputPlan", "Plan", "plan_for", "schema_problems"]


@dataclass(frozen=True)
class Column:
    """A column by name; `type` is the name of a `ColumnType`, or None if it is one that the SDK does not read."""

    name: str
    type: Optional[str]
    nullable: bool


@dataclass(frozen=True)
class OutputPlan:
    """An output and its columns; `written` are their numbers, by attribute of the class."""

    name: str
    columns: list[Column]
    written: list[tuple[Field, int]]


@dataclass(frozen=True)
class Plan:
    """The plan for one input. `places` says at which number of `reads` a field is found; None if the stream lacks it."""

    reads: list[Column]
    writes: list[Column]
    drops: list[str]
    row_preserving: bool
    outputs: list[OutputPlan]
    places: dict[str, Optional[int]]


def _column(field: Field) -> Column:
    return Column(field.column, field.type.name, field.nullable)


def _is_there(field: Field, stream: Sequence[Column]) -> bool:
    """The host's own columns, which begin with `_`, always are."""
    return field.column.startswith("_") or any(column.name == field.column for column in stream)


def plan_for(row: type, outputs: Sequence[type], row_preserving: bool, name: str, stream: Sequence[Column]) -> Plan:
    """The plan of a plugin with rows of class `row` for the input `name` with the columns `stream`."""
    fields = fields_of(row)
    reads = [field for field in fields if field.is_read and (not field.optional or _is_there(field, stream))]
    places: dict[str, Optional[int]] = {field.attribute: None for field in fields if field.is_read}
    places.update({field.attribute: number for number, field in enumerate(reads)})
    return Plan(
        reads=[_column(field) for field in reads],
        writes=[_column(field) for field in fields if field.is_written],
        drops=[field.column for field in reads if field.drop],
        row_preserving=row_preserving and not outputs,
        outputs=[_output_plan(each, name) for each in outputs],
        places=places,
    )


def _output_plan(output: type, stream: str) -> OutputPlan:
    fields = fields_of(output)
    written = [(field, number) for number, field in enumerate(fields) if field.use is not Use.INHERIT]
    return OutputPlan(output.__millstream_table__ or stream, [_column(field) for field in fields], written)


def schema_problems(row: type, name: str, stream: Sequence[Column]) -> dict[str, str]:
    """What a stream lacks that the rows need, by `inputs.NAME.COLUMN`. Types are the host's to check."""
    problems = {}
    for field in fields_of(row):
        if not field.is_read or field.column.startswith("_"):
            continue
        found = next((column for column in stream if column.name == field.column), None)
        path = f"inputs.{name}.{field.column}"
        if found is None and not field.optional:
            columns = ", ".join(f"`{column.name}`" for column in stream) or "none"
            problems[path] = f"the input has no column `{field.column}`; it has {columns}"
        elif found is not None and found.nullable and not field.nullable:
            problems[path] = (
                f"column `{field.column}` may be null, but this plugin needs a value: declare it as required, "
                f"or annotate it `{field.type.python} | None`"
            )
    return problems
