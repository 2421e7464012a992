"""The loop over the rows of a batch, generated for each class of rows: attributes are set by name and results are
appended by name, without a look-up for either.
"""

from __future__ import annotations

from typing import Callable

from .row import fields_of
from .verdict import Reject


def compile_loop(row: type, prepares: bool, emits: bool) -> Callable:
    """A function `loop(process, prepare, columns, remove, call)`.

    `columns` begins with the rows' numbers, then come the columns that are read, in the order of the fields. `process` gets
    each row; `remove(number, verdict)` is told what it says unless that is None. Returns the columns that are written.
    """
    fields = fields_of(row)
    names = {"create": object.__new__, "Row": row, "Reject": Reject}
    names.update({f"default_{field.attribute}": field.default for field in fields})
    names.update({f"zero_{field.attribute}": field.type.zero for field in fields})
    source = _prepared(fields, emits) if prepares else _direct(fields, emits)
    exec(compile("\n".join(source), f"<loop of {row.__name__}>", "exec"), names)
    return names["loop"]


def _direct(fields: list, emits: bool) -> list[str]:
    return [*_begin(fields), *_make(fields), *_process(fields, emits), *_end(fields)]


def _prepared(fields: list, emits: bool) -> list[str]:
    """All rows are made before the first is processed."""
    return [
        *("def rows(columns):", *_make(fields), "        yield number, row"),
        *(*_begin(fields), "    made = list(rows(columns))", "    prepare([row for _, row in made])"),
        *("    for number, row in made:", *_process(fields, emits), *_end(fields)),
    ]


def _make(fields: list) -> list[str]:
    values = ["number", *(f"value_{field.attribute}" for field in fields if field.is_read)]
    return [
        f"    for {', '.join(values)}, in zip(*columns):",
        "        row = create(Row)",
        *(f"        row.{field.attribute} = value_{field.attribute}" for field in fields if field.is_read),
        *(f"        row.{field.attribute} = default_{field.attribute}" for field in fields if not field.is_read),
    ]


def _begin(fields: list) -> list[str]:
    written = [f"    written_{field.attribute} = []" for field in fields if field.is_written]
    return ["def loop(process, prepare, columns, remove, call):", *written]


def _process(fields: list, emits: bool) -> list[str]:
    written = [field.attribute for field in fields if field.is_written]
    return [
        "        call.row = number" if emits else "",
        "        try:",
        "            verdict = process(row)",
        "        except Reject as rejected:",
        "            verdict = rejected",
        "        if verdict is not None:",
        "            remove(number, verdict)",
        *(f"            written_{name}.append(zero_{name})" for name in written),
        "            continue",
        *(f"        written_{name}.append(row.{name})" for name in written),
    ]


def _end(fields: list) -> list[str]:
    return [f"    return [{', '.join(f'written_{field.attribute}' for field in fields if field.is_written)}]"]
