"""Runs a plugin natively, over rows that are dicts: for the author's own tests. `millstream plugin test` runs it in the
real engine.

    outcome = run(clean, [{"speed": 50.0, "fuelType": " Diesel "}], {"limit_kmh": 30})
    assert outcome.rows == [{"speed": 50.0, "fuelType": "Diesel", "speeding": True}]
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from . import bitmap, host
from .plan import Column
from .row import fields_of
from .transform import Definition, Ready
from .types import Buffers, ColumnType

__all__ = ["Outcome", "run"]


@dataclass
class Outcome:
    """What became of the rows: those that go on, with all their columns; dead letters and dropped rows by their number; rows of
    outputs by the output's name, with `_parent`; metrics."""

    rows: list = field(default_factory=list)
    rejected: dict = field(default_factory=dict)
    dropped: list = field(default_factory=list)
    emitted: dict = field(default_factory=dict)
    counters: dict = field(default_factory=dict)
    gauges: dict = field(default_factory=dict)


def run(
    plugin: Any, rows: list[dict], config: Optional[dict] = None, *, stream: str = "stream", server: Optional[Callable] = None
) -> Outcome:
    """Runs the plugin over rows by column; a column that a row lacks is null there.

    `config` is the configuration, by default the plugin's example. `server` answers a `Request` or raises a `Failure`. Raises
    ConfigError, Retry, BadBatch or Fatal as the host would see it.
    """
    definition: Definition = plugin.__millstream_plugin__
    names = dict.fromkeys(name for each in rows for name in each)
    columns = [Column(name, None, any(each.get(name) is None for each in rows)) for name in names]
    text = definition.example if config is None else json.dumps(config)
    ready = definition.configure(text, [(stream, columns)])
    batch = _Memory(ready, rows)
    before, host.current = host.current, host.Native()
    host.current.server = server
    try:
        ready.process(batch)
        return batch.outcome(host.current)
    finally:
        host.current = before


class _Memory:
    """A batch in memory; its columns are encoded and decoded as those of the host are."""

    def __init__(self, ready: Ready, rows: list[dict]):
        self._plan, self._rows = ready.plan, rows
        fields = fields_of(ready.definition.row)
        self._read: dict[int, tuple[str, ColumnType]] = {
            ready.plan.places[each.attribute]: (each.column, each.type) for each in fields if each.is_read
        }
        self._writes = [each for each in fields if each.is_written]
        self._written: dict[int, list] = {}
        self._kept = bytes(b"\1" * len(rows))
        self._rejected: dict[int, str] = {}
        self._emitted: dict[str, list] = {}

    def rows(self) -> int:
        return len(self._rows)

    def read(self, column: int) -> Buffers:
        name, kind = self._read[column]
        return kind.write([row.get(name) for row in self._rows], True)

    def write(self, column: int, values: Buffers) -> None:
        self._written[column] = self._writes[column].type.read(values, len(self._rows))

    def keep(self, mask: bytes) -> None:
        self._kept = bitmap.unpack(mask, len(self._rows))

    def reject(self, rows: list, reason: str) -> None:
        self._rejected.update(dict.fromkeys(rows, reason))

    def emit(self, output: int, parents: list, columns: dict) -> None:
        plan = self._plan.outputs[output]
        written = {number: each for each, number in plan.written}
        made = [{column.name: self._rows[parent].get(column.name) for column in plan.columns} for parent in parents]
        for number, values in columns.items():
            for row, value in zip(made, written[number].type.read(values, len(parents))):
                row[written[number].column] = value
        for row, parent in zip(made, parents):
            row["_parent"] = parent
        self._emitted.setdefault(plan.name, []).extend(made)

    def outcome(self, native: host.Native) -> Outcome:
        passed = []
        for number, row in enumerate(self._rows):
            after = {name: value for name, value in row.items() if name not in self._plan.drops}
            after.update({self._writes[place].column: values[number] for place, values in self._written.items()})
            passed.append(after)
        removed = {number for number, flag in enumerate(self._kept) if not flag}
        return Outcome(
            rows=[row for number, row in enumerate(passed) if number not in removed and number not in self._rejected],
            rejected=self._rejected,
            dropped=sorted(removed - self._rejected.keys()),
            emitted=self._emitted, counters=native.counters, gauges=native.gauges,
        )
