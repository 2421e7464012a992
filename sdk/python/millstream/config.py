"""The configuration: JSON in, a dataclass out, and the JSON schema of that dataclass.

Keys that the dataclass does not have are refused with their path, like those that are missing or of another type.
Fields are `str`, `int`, `float`, `bool`, `Literal[...]`, other dataclasses, `list[T]`, `dict[str, T]` and `T | None`. In `Annotated[T,
...]` a text becomes the schema's description, and a dict is laid over the schema: `Annotated[float, "km/h", {"minimum": 0}]`.
The host checks the schema before the plugin sees the configuration; natively only the types are checked.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from typing import Annotated, Any, Literal, Optional, Union

from .verdict import ConfigError

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}
_MISSING = dataclasses.MISSING


def parse(cls: Optional[type], text: str) -> Any:
    """The configuration of JSON `text` as a `cls`, or None if the plugin has none.

    Raises ConfigError with every problem.
    """
    problems: dict = {}
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ConfigError({"": f"the configuration is no JSON: {error}"}) from None
    value = _dataclass(cls or _NoConfig, document, "", problems)
    if problems:
        raise ConfigError(problems)
    return value if cls else None


def schema_of(cls: Optional[type]) -> dict:
    """The JSON schema of a configuration. Raises TypeError if a field cannot be one."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_schema(cls or _NoConfig)}


def example_of(cls: Optional[type]) -> Optional[dict]:
    """The configuration that consists of defaults, or None if some key has none."""
    fields = dataclasses.fields(cls or _NoConfig)
    if any(_default(field) is _MISSING for field in fields):
        return None
    return dataclasses.asdict((cls or _NoConfig)())


@dataclasses.dataclass
class _NoConfig:
    """No keys at all."""


def _default(field: dataclasses.Field) -> Any:
    if field.default_factory is not _MISSING:
        return field.default_factory()
    return field.default


@functools.cache
def _annotations(cls: type) -> dict:
    """Evaluated once, at build time."""
    return typing.get_type_hints(cls, include_extras=True)


def _fields(cls: type) -> list:
    """Name, annotation and default of each field."""
    hints = _annotations(cls)
    return [(field.name, hints[field.name], _default(field)) for field in dataclasses.fields(cls)]


def _schema(kind: Any) -> dict:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        schema = _schema(arguments[0])
        for note in arguments[1:]:
            schema.update(note if isinstance(note, dict) else {"description": note})
        return schema
    if dataclasses.is_dataclass(kind):
        return _object_schema(kind)
    if kind in _SIMPLE:
        return {"type": _SIMPLE[kind]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is dict and arguments[0] is str:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    if origin in (Union, types.UnionType):
        return {"anyOf": [{"type": "null"} if each is types.NoneType else _schema(each) for each in arguments]}
    raise TypeError(f"{kind!r} cannot stand in a configuration")


def _object_schema(cls: type) -> dict:
    properties, required = {}, []
    for name, kind, default in _fields(cls):
        properties[name] = _schema(kind)
        if default is _MISSING:
            required.append(name)
        elif not dataclasses.is_dataclass(default):
            properties[name]["default"] = default
    schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, "required": required} if required else schema


def _dataclass(cls: type, document: Any, path: str, problems: dict) -> Any:
    if not isinstance(document, dict):
        problems[path] = f"expected an object, found {_json_name(document)}"
        return None
    fields, values, count = _fields(cls), {}, len(problems)
    for name in document.keys() - {name for name, _, _ in fields}:
        known = ", ".join(f"`{name}`" for name, _, _ in fields)
        problems[_join(path, name)] = f"unknown key; there are {known}" if known else "unknown key; there are none"
    for name, kind, default in fields:
        if name in document:
            values[name] = _value(kind, document[name], _join(path, name), problems)
        elif default is _MISSING:
            problems[_join(path, name)] = "missing"
    return cls(**values) if len(problems) == count else None


def _value(kind: Any, value: Any, path: str, problems: dict) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _value(arguments[0], value, path, problems)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, path, problems)
    if origin is list and isinstance(value, list):
        return [_value(arguments[0], each, f"{path}[{i}]", problems) for i, each in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {key: _value(arguments[1], each, _join(path, key), problems) for key, each in value.items()}
    if origin in (Union, types.UnionType):
        return _any_of(arguments, value, path, problems)
    if _is(kind, origin, arguments, value):
        return float(value) if kind is float else value
    problems[path] = f"expected {_expected(kind, origin, arguments)}, found {_json_name(value)}"
    return None


def _any_of(kinds: tuple, value: Any, path: str, problems: dict) -> Any:
    if value is None and types.NoneType in kinds:
        return None
    found: dict = {}
    for kind in (kind for kind in kinds if kind is not types.NoneType):
        found = {}
        read = _value(kind, value, path, found)
        if not found:
            return read
    problems.update(found)
    return None


def _is(kind: Any, origin: Any, arguments: tuple, value: Any) -> bool:
    if origin is Literal:
        return any(value == each and type(value) is type(each) for each in arguments)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is kind


def _expected(kind: Any, origin: Any, arguments: tuple) -> str:
    if origin is Literal:
        return " or ".join(json.dumps(each) for each in arguments)
    return {list: "an array", dict: "an object"}.get(origin) or _SIMPLE.get(kind, str(kind))


def _json_name(value: Any) -> str:
    return json.dumps(value) if not isinstance(value, (dict, list)) else {dict: "an object", list: "an array"}[type(value)]


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
