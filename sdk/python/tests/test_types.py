"""Columns go out as they came in: every type, nulls, ends of ranges."""

import datetime
import math

import pytest
from millstream import Float32, Int32, LocalDatetime, LocalTimestamp, Timestamp, bitmap
from millstream.types import Buffers, column_type

UTC = datetime.timezone.utc
VALUES = [
    (bool, [True, False, True, True, False, False, False, True, True]),
    (int, [0, -1, 2**63 - 1, -(2**63)]),
    (float, [0.0, -1.5, math.inf, 5e-324]),
    (str, ["", "plain", "naïve", "日本", "🚗", "a\0b"]),
    (bytes, [b"", b"\xff\0", b"abc"]),
    (Int32, [0, 2**31 - 1, -(2**31)]),
    (Float32, [0.5, -2.0]),
    (Timestamp, [0, -1, 253402300799999999]),
    (LocalTimestamp, [0, 1]),
    (datetime.date, [datetime.date(1970, 1, 1), datetime.date(1, 1, 1), datetime.date(9999, 12, 31)]),
    (datetime.datetime, [datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), datetime.datetime(9999, 1, 1, tzinfo=UTC)]),
    (LocalDatetime, [datetime.datetime(2026, 3, 29, 1, 30)]),
    (list[float], [[1.0, 2.0], [], [math.inf]]),
    (list[str], [["a", "é"], [], [""], ["a", None, ""], [None]]),
]


@pytest.mark.parametrize(("annotation", "values"), VALUES, ids=lambda each: str(each)[:30])
def test_values_come_back(annotation, values):
    kind, nullable = column_type(annotation | None)
    assert nullable
    for column in (values, [*values, None], [None, *values, None], [None] * 9, [], values * 100):
        written = kind.write(column, nullable)
        assert (written.valid is None) == (None not in column)
        assert all(isinstance(buffer, bytes) for buffer in written.buffers)
        assert kind.read(written, len(column)) == column


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (float, "1.5", "takes float, not str"),
        (float, None, "takes float, not None"),
        (int, 1.0, "takes int, not float"),
        (int, 2**63, "takes int and cannot hold one of this size"),
        (Int32 | None, 2**31, "takes int or None and cannot hold one of this size"),
        (str, b"bytes", "takes str, not bytes"),
        (str, "\ud800", "takes text that is Unicode, without lone surrogates"),
        (bytes, "text", "takes bytes, not str"),
        (bool, "yes", "takes bool, not str"),
        (datetime.date, 5, "takes date, not int"),
        (datetime.datetime, datetime.datetime(2026, 1, 1), "takes datetime with a zone, not datetime"),
        (LocalDatetime, datetime.datetime(2026, 1, 1, tzinfo=UTC), "takes datetime without a zone, not datetime"),
        (list[float], ["x"], "in a list takes float, not str"),
        (list[float], [None], "in a list takes float, not None"),
        (list[float], 5, "takes list of float, not int"),
        (list[str], "text", "takes list of str and None, not str"),
        (list[str], ["a", 5], "in a list takes str or None, not int"),
        (list[str] | None, ["\ud800"], "in a list takes text that is Unicode, without lone surrogates"),
    ],
)
def test_what_does_not_fit_is_named(annotation, value, message):
    kind, nullable = column_type(annotation)
    sound = kind.zero
    with pytest.raises((TypeError, ValueError, OverflowError)) as caught:
        kind.write([sound, sound, value, sound], nullable)
    assert str(caught.value) == message


def test_null_items_of_lists():
    floats, texts = column_type(list[float])[0], column_type(list[str])[0]
    offsets = b"\0\0\0\0\2\0\0\0"
    (first, second), = floats.read(Buffers([offsets, b"\1", b"\0" * 16], None), 1)
    assert first == 0.0 and math.isnan(second)
    assert texts.read(Buffers([offsets, b"\2", b"\0\0\0\0\0\0\0\0\1\0\0\0", b"x"], None), 1) == [[None, "x"]]


def test_integers_may_be_written_to_floats():
    assert column_type(float)[0].write([1, 2], False).buffers == [b"\0\0\0\0\0\0\xf0?\0\0\0\0\0\0\0@"]


def test_bitmaps_begin_with_the_lowest_bit():
    assert bitmap.pack(b"\1\0\0\0\0\0\0\0\1") == b"\1\1"
    assert bitmap.unpack(b"\1\1", 9) == b"\1\0\0\0\0\0\0\0\1"
    assert bitmap.pack(b"") == b""


@pytest.mark.parametrize("annotation", [complex, list[int], dict, int | str, "text"])
def test_what_is_no_column(annotation):
    with pytest.raises(TypeError, match="is no column type: there are bool, int, float"):
        column_type(annotation)
