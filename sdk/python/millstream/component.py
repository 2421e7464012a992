"""The component's exports: the author's plugin between the ABI's records and the SDK. Only `build.py` imports it; the
modules `wit_world` and `componentize_py_types` are componentize-py's, and `millstream_project` is what `pyproject.toml` says.
"""

from __future__ import annotations

import importlib
from typing import Any, Optional

from componentize_py_types import Err
from millstream_project import PROJECT
from wit_world import exports
from wit_world.exports import plugin as world
from wit_world.imports import batches, log, metrics, types

from . import host, sealed
from .http import Failure, Request, Response
from .plan import Column, Plan
from .transform import Definition, Ready
from .types import Buffers
from .verdict import BadBatch, ConfigError, Fatal, Retry

try:
    from wit_world.imports import http
except ImportError:
    http = None

_UTC, _LOCAL = types.TimestampType(types.TimeUnit.MICRO, True), types.TimestampType(types.TimeUnit.MICRO, False)
_TYPES = {
    "boolean": types.DataType_Boolean(),
    "int32": types.DataType_Int32(),
    "int64": types.DataType_Int64(),
    "float32": types.DataType_Float32(),
    "float64": types.DataType_Float64(),
    "utf8": types.DataType_Utf8(),
    "binary": types.DataType_Binary(),
    "date": types.DataType_Date(),
    "timestamp": types.DataType_Timestamp(_UTC),
    "local-timestamp": types.DataType_Timestamp(_LOCAL),
    "float64-list": types.DataType_Float64List(),
    "utf8-list": types.DataType_Utf8List(),
}
_NAMES = {repr(record): name for name, record in _TYPES.items()}
_ERRORS = {Retry: types.Error_Retry, BadBatch: types.Error_BadBatch, Fatal: types.Error_Fatal}


def _find() -> Definition:
    module = importlib.import_module(PROJECT["module"])
    found = {each.__millstream_plugin__ for each in vars(module).values() if hasattr(each, "__millstream_plugin__")}
    if len(found) != 1:
        raise ImportError(f"{module.__name__}.py has {len(found) or 'no'} plugins: write @plugin above one class or function")
    return found.pop()


_DEFINITION = _find()
_READY: Optional[Ready] = None


class Plugin(exports.Plugin):
    """World `plugin`, as componentize-py looks for it."""

    def describe(self) -> world.About:
        sealed.seal(_HOST)
        return world.About(PROJECT["name"], PROJECT["version"], _DEFINITION.schema, _DEFINITION.example)

    def configure(self, config: str, inputs: list) -> world.Plan:
        global _READY
        sealed.seal(_HOST)
        streams = [(each.name, [_column_in(field) for field in each.fields]) for each in inputs]
        try:
            _READY = _DEFINITION.configure(config, streams)
        except ConfigError as error:
            raise Err([world.ConfigProblem(path, message) for path, message in error.problems.items()]) from None
        return _plan_out(_READY.plan)

    def process(self, input: int, batch: batches.Batch) -> None:
        if _READY is None:
            raise Err(types.Error_Fatal("process was called before configure"))
        sealed.heed_level()
        try:
            _READY.process(_Batch(batch))
        except (Retry, BadBatch, Fatal) as error:
            raise Err(_ERRORS[type(error)](str(error))) from None


def _column_in(field: types.Field) -> Column:
    return Column(field.name, _NAMES.get(repr(field.ty)), field.nullable)


def _field_out(column: Column) -> types.Field:
    return types.Field(column.name, _TYPES[column.type], column.nullable)


def _plan_out(plan: Plan) -> world.Plan:
    reads, writes = [_field_out(column) for column in plan.reads], [_field_out(column) for column in plan.writes]
    inputs = [world.InputPlan(reads, writes, plan.drops, None, plan.row_preserving)]
    outputs = [world.Output(each.name, [_field_out(column) for column in each.columns]) for each in plan.outputs]
    return world.Plan(inputs, outputs, [], [], [])


class _Batch:
    """A batch of the host. Columns pass as raw buffers, which are `bytes` here: no Python object for each value."""

    def __init__(self, batch: batches.Batch):
        self._batch = batch

    def rows(self) -> int:
        return self._batch.rows()

    def read(self, column: int) -> Buffers:
        raw = self._batch.read_raw(column)
        return Buffers(raw.buffers, raw.valid)

    def write(self, column: int, values: Buffers) -> None:
        self._batch.write_raw(column, types.Raw(values.buffers, values.valid))

    def keep(self, mask: bytes) -> None:
        self._batch.keep(mask)

    def reject(self, rows: list, reason: str) -> None:
        self._batch.reject(rows, reason)

    def emit(self, output: int, parents: list, columns: dict) -> None:
        builder = batches.Builder(output, len(parents))
        builder.gather(self._batch, parents)
        for column, values in columns.items():
            builder.write_raw(column, types.Raw(values.buffers, values.valid))
        batches.emit(builder)


class _Host:
    """The host beside the batches. Handles of metrics are made once."""

    def __init__(self) -> None:
        self._metrics: dict[str, Any] = {}

    def count(self, name: str, n: int) -> None:
        self._metric(metrics.Counter, name).add(n)

    def gauge(self, name: str, value: float) -> None:
        self._metric(metrics.Gauge, name).set(value)

    def _metric(self, kind: type, name: str) -> Any:
        key = (kind, name)
        if key not in self._metrics:
            self._metrics[key] = kind(name)
        return self._metrics[key]

    def log(self, level: str, message: str) -> None:
        log.log(log.Level[level], message)

    def logs(self, level: str) -> bool:
        return log.enabled(log.Level[level])

    def send_many(self, requests: list) -> list:
        if http is None:
            raise Fatal('to ask servers, write world = "transform-with-http" under [tool.millstream] in pyproject.toml')
        sent = [http.Request(each.method, each.url, list(each.headers), each.body) for each in requests]
        return [_answer(each) for each in http.send_many(sent)]


def _answer(answer: Any) -> Any:
    if hasattr(answer, "status"):
        return Response(answer.status, tuple(answer.headers), answer.body)
    if hasattr(answer.value, "status"):
        return _answer(answer.value)
    failure = answer.value
    kind = type(failure).__name__.removeprefix("HttpError_")
    kinds = {"Denied": "denied", "Timeout": "timeout", "TooLarge": "too-large", "Failed": "failed"}
    messages = {"Timeout": "the server did not answer in time", "TooLarge": "the answer is too large"}
    return Failure(kinds[kind], messages.get(kind) or failure.value)


_HOST = host.current = _Host()
sealed.prepare()
