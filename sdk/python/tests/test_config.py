"""Configurations: typed, with defaults, refused with the path of what is wrong."""

from dataclasses import dataclass, field
from typing import Annotated, Literal, Optional

import pytest
from millstream import ConfigError, Transform, config, plugin, read, row
from millstream.testing import run


@dataclass
class Box:
    south: float
    north: Annotated[float, "degrees", {"maximum": 90}] = 90.0


@dataclass
class Config:
    zone: str
    mode: Literal["fast", "exact"] = "fast"
    limit: Optional[int] = None
    boxes: list[Box] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    strict: bool = False


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("{}", {"zone": "missing"}),
        ('{"zone": "UTC", "zoen": 1}', {"zoen": "unknown key; there are `zone`, `mode`, `limit`, `boxes`, `names`, `strict`"}),
        ('{"zone": 5}', {"zone": "expected string, found 5"}),
        ('{"zone": "UTC", "mode": "slow"}', {"mode": 'expected "fast" or "exact", found "slow"'}),
        ('{"zone": "UTC", "limit": 1.5}', {"limit": "expected integer, found 1.5"}),
        ('{"zone": "UTC", "limit": true}', {"limit": "expected integer, found true"}),
        ('{"zone": "UTC", "boxes": [{"south": 1}, {"south": "x", "w": 1}]}', {
            "boxes[1].w": "unknown key; there are `south`, `north`", "boxes[1].south": 'expected number, found "x"'}),
        ('{"zone": "UTC", "names": {"a": []}}', {"names.a": "expected string, found an array"}),
        ("[]", {"": "expected an object, found an array"}),
        ("{", {"": "the configuration is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"}),
    ],
)
def test_problems_have_their_paths(text, problems):
    with pytest.raises(ConfigError) as caught:
        config.parse(Config, text)
    assert caught.value.problems == problems


def test_what_is_read():
    read_config = config.parse(Config, '{"zone": "UTC", "boxes": [{"south": 1}], "names": {"a": "b"}, "limit": 3}')
    assert read_config == Config("UTC", limit=3, boxes=[Box(1.0)], names={"a": "b"})
    assert isinstance(read_config.boxes[0].south, float)


def test_the_schema_is_the_dataclass():
    schema = config.schema_of(Config)
    assert schema["required"] == ["zone"] and schema["additionalProperties"] is False
    properties = schema["properties"]
    assert properties["mode"] == {"enum": ["fast", "exact"], "default": "fast"}
    assert properties["limit"] == {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}
    assert properties["boxes"]["items"]["properties"]["north"] == {
        "type": "number", "description": "degrees", "maximum": 90, "default": 90.0}
    assert config.schema_of(None)["properties"] == {}


def test_the_example():
    assert config.example_of(Config) is None
    assert config.example_of(Box) is None
    assert config.example_of(None) == {}


@row
class Reading:
    speed: float | None = read()


def test_configure_refuses():
    @plugin(example={"zone": "UTC"})
    class Zoned(Transform):
        def configure(self, config: Config):
            if config.zone == "Mars":
                raise ConfigError({"zone": "no such zone"})
            self.rate = 1 / (config.limit or 1) if config.zone != "zero" else 1 / 0

        def process(self, reading: Reading) -> None:
            pass

    run(Zoned, [{"speed": 1.0}])
    with pytest.raises(ConfigError) as caught:
        run(Zoned, [{"other": 1.0}], {"zone": "Mars"})
    assert caught.value.problems == {
        "zone": "no such zone", "inputs.stream.speed": "the input has no column `speed`; it has `other`"}
    with pytest.raises(ConfigError, match=r"test_config.py:\d+: ZeroDivisionError: division by zero"):
        run(Zoned, [{"speed": 1.0}], {"zone": "zero"})


def test_a_plugin_without_configuration_takes_none():
    @plugin
    def plain(reading: Reading) -> None:
        pass

    with pytest.raises(ConfigError, match="unknown key; there are none"):
        run(plain, [{"speed": 1.0}], {"limit": 1})


def test_an_example_is_asked_for():
    with pytest.raises(TypeError, match=r"some keys of the configuration have no default: write @plugin\(example="):
        @plugin
        def needs(reading: Reading, config: Config) -> None:
            pass
