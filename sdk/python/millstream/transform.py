"""What an author writes, a function or a class under `@plugin`, and how it is run: configured once into a `Ready`,
which takes one batch after the other. Batches come and go as buffers; where from is for `component` and `testing`.
"""

from __future__ import annotations

import inspect
import json
import typing
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Callable, Optional, Sequence

from . import bitmap, config, metrics
from .columns import Columns, write_column, write_output
from .loop import compile_loop
from .place import describe
from .plan import Column, Plan, plan_for, schema_problems
from .row import fields_of
from .verdict import DROP, BadBatch, ConfigError, Fatal, Reject, Retry

__all__ = ["Definition", "Ready", "Transform", "emit", "plugin"]


class Transform:
    """A stateless step: what a row becomes depends on that row and the configuration alone.

    `self` may hold what saves work (a table, a cache). It is lost at any time: an instance may be thrown away after any
    batch, and there are several. Subclasses annotate their parameters; the annotations say what is read.
    """

    def configure(self, config: Any) -> None:
        """Takes the configuration, an instance of the dataclass that `config` is annotated with.

        Raises ConfigError with every problem.
        """

    def prepare(self, rows: list) -> None:
        """Sees the rows of a batch before they are processed, to fetch what they need in one go (as with
        `http.send_many`). Raises Retry, BadBatch or Fatal."""

    def process(self, row: Any) -> Any:
        """Processes one row, in place. Returns None to keep it, DROP, or Reject(reason); Reject may also be raised.

        Annotated `-> None`, it keeps every row, and the host is told so. If the parameter is annotated `Columns[Row]`, it is
        called once for a batch, returns None, and what it does to the columns counts.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Definition:
    """A plugin as its author defined it. All that can be made ready for every stream is in it, as that is done at build
    time. `loop` is None if the plugin takes whole columns."""

    make: Callable[[], Transform]
    row: type
    loop: Optional[Callable]
    keeps_all: bool
    config: Optional[type]
    emits: tuple
    schema: str
    example: str
    function: Any

    def configure(self, text: str, inputs: Sequence[tuple[str, Sequence[Column]]]) -> Ready:
        """The plugin for its one input, (name, columns). Raises ConfigError with every problem."""
        if len(inputs) != 1:
            raise ConfigError({"inputs": f"this plugin takes one input, not {len(inputs)}"})
        (name, stream), = inputs
        missing = schema_problems(self.row, name, stream)
        transform = self.make()
        try:
            transform.configure(config.parse(self.config, text))
        except ConfigError as error:
            raise ConfigError({**error.problems, **missing}) from None
        except BaseException as error:
            raise ConfigError({"": describe(error, self.function), **missing}) from None
        if missing:
            raise ConfigError(missing)
        return Ready(self, transform, plan_for(self.row, self.emits, self.keeps_all, name, stream))


def plugin(
    target: Any = None, *, emits: Sequence[type] = (), example: Optional[dict] = None, schema: Optional[dict] = None
) -> Any:
    """Makes a function, or a subclass of `Transform`, the plugin of its module; there is one in each.

        @plugin
        def clean(vehicle: Vehicle, config: Config) -> Reject | None:
            ...

    `emits`: the outputs that it emits rows of. `example`: a configuration that works; needed if some key has no default.
    `schema`: a JSON schema of the configuration, instead of that of its dataclass.
    """
    if target is None:
        return lambda target: plugin(target, emits=emits, example=example, schema=schema)
    transform = target if isinstance(target, type) else _of_function(target)
    if not issubclass(transform, Transform):
        raise TypeError(f"{target.__name__} is no Transform: write class {target.__name__}(Transform)")
    target.__millstream_plugin__ = _define(transform, target, tuple(emits), example, schema)
    return target


def emit(row: Any) -> None:
    """Emits a row of an output, which comes from the row that is being processed. It is a row of its own: whether the other
    is kept, dropped or rejected is said as always."""
    _CALL.emit(row)


def _of_function(function: Callable) -> type:
    """The class that a function stands for: (row) or (row, config)."""
    parameters = list(inspect.signature(function).parameters)
    if len(parameters) not in (1, 2):
        raise TypeError(f"{function.__name__} takes {len(parameters)} parameters: write (row) or (row, config)")

    class OfFunction(Transform):
        if len(parameters) == 1:
            process = staticmethod(function)
        else:
            def configure(self, config):
                self.process = lambda row: function(row, config)

            process = staticmethod(function)

    hints = typing.get_type_hints(function)
    if len(parameters) == 2:
        OfFunction.configure.__annotations__ = {"config": hints.get(parameters[1])}
    OfFunction.__name__ = function.__name__
    return OfFunction


def _define(transform: type, target: Any, emits: tuple, example: Optional[dict], schema: Optional[dict]) -> Definition:
    function = transform.process
    hints = typing.get_type_hints(function)
    parameters = [name for name in inspect.signature(function).parameters if name != "self"]
    row = hints.get(parameters[0])
    is_columnar = typing.get_origin(row) is Columns
    row = typing.get_args(row)[0] if is_columnar else row
    if row is None:
        raise TypeError(f"{target.__name__}: annotate `{parameters[0]}` with the class of its rows")
    fields_of(row)
    for output in emits:
        fields_of(output)
    config_class = _config_class(transform)
    example = config.example_of(config_class) if example is None else example
    if example is None:
        raise TypeError(f"{target.__name__}: some keys of the configuration have no default: write @plugin(example={{...}})")
    schema = config.schema_of(config_class) if schema is None else schema
    prepares = transform.prepare is not Transform.prepare
    return Definition(
        make=transform, row=row, config=config_class, emits=emits,
        loop=None if is_columnar else compile_loop(row, prepares, bool(emits)),
        keeps_all=not is_columnar and hints.get("return", Any) is type(None),
        schema=json.dumps(schema), example=json.dumps(example), function=function,
    )


def _config_class(transform: type) -> Optional[type]:
    if transform.configure is Transform.configure:
        return None
    hints = typing.get_type_hints(transform.configure)
    hints.pop("return", None)
    if len(hints) != 1:
        raise TypeError(f"{transform.__name__}.configure: annotate `config` with its dataclass")
    return next(iter(hints.values()))


class _Call:
    """What is known while a batch is processed: the row in hand, and what was emitted, by class of outputs."""

    __slots__ = ("row", "emitted")

    def __init__(self, outputs: Sequence[type]):
        self.row, self.emitted = 0, {output: ([], []) for output in outputs}

    def emit(self, row: Any) -> None:
        try:
            parents, rows = self.emitted[type(row)]
        except KeyError:
            name = type(row).__name__
            raise TypeError(f"{name} is none of the plugin's outputs: write @plugin(emits=[{name}])") from None
        parents.append(self.row)
        rows.append(row)


_CALL = _Call(())


class Ready:
    """A plugin that is configured for a stream."""

    def __init__(self, definition: Definition, transform: Transform, plan: Plan):
        self.definition, self.transform, self.plan = definition, transform, plan

    def process(self, batch: Any) -> None:
        """Processes a batch. Raises Retry, BadBatch or Fatal, and then nothing of it counts."""
        global _CALL
        _CALL = call = _Call(self.definition.emits)
        try:
            (self._run_columns if self.definition.loop is None else self._run_rows)(batch, call)
            for number, (output, emitted) in enumerate(zip(self.plan.outputs, call.emitted.values())):
                if emitted[0]:
                    write_output(batch, number, output, *emitted)
            metrics.flush()
        except (Retry, BadBatch, Fatal):
            raise
        except BaseException as error:
            raise BadBatch(describe(error, self.definition.function)) from error
        finally:
            metrics.forget()

    def _run_columns(self, batch: Any, call: _Call) -> None:
        columns = Columns(self.definition.row, self.plan, batch, call)
        returned = self.transform.process(columns)
        if returned is not None:
            raise TypeError(f"a function of columns returns None, not {returned!r}: there are keep() and reject()")
        columns.finish()

    def _run_rows(self, batch: Any, call: _Call) -> None:
        rows = batch.rows()
        columns: list = [range(rows)]
        for field in fields_of(self.definition.row):
            if field.is_read:
                place = self.plan.places[field.attribute]
                columns.append(repeat(None) if place is None else _read(batch, place, field, rows))
        removed = _Removed(self.plan.row_preserving)
        transform = self.transform
        written = self.definition.loop(transform.process, transform.prepare, columns, removed.add, call)
        for number, field in enumerate(field for field in fields_of(self.definition.row) if field.is_written):
            write_column(batch, number, field, written[number])
        removed.apply(batch, rows)


def _read(batch: Any, place: int, field: Any, rows: int) -> list:
    try:
        return field.type.read(batch.read(place), rows)
    except (ValueError, OverflowError) as error:
        raise type(error)(f"column `{field.column}`: {error}") from None


class _Removed:
    """The rows that do not go on."""

    def __init__(self, row_preserving: bool) -> None:
        self._row_preserving = row_preserving
        self.dropped: list = []
        self.rejected: dict = {}

    def add(self, row: int, verdict: Any) -> None:
        if self._row_preserving:
            raise TypeError(f"process said {verdict!r}, and is annotated `-> None`: it keeps every row; write `-> Reject | None`")
        if isinstance(verdict, Reject):
            self.rejected.setdefault(verdict.reason, []).append(row)
        elif verdict is DROP:
            self.dropped.append(row)
        else:
            raise TypeError(f"process returned {verdict!r}: it returns None to keep a row, DROP, or Reject(reason)")

    def apply(self, batch: Any, rows: int) -> None:
        if self.dropped:
            flags = bytearray(b"\1" * rows)
            for row in self.dropped:
                flags[row] = 0
            batch.keep(bitmap.pack(bytes(flags)))
        for reason, numbers in self.rejected.items():
            batch.reject(numbers, reason)
