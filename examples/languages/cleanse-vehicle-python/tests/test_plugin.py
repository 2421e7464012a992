"""The rules, natively; the cases run in the engine."""

from pathlib import Path

import pytest
from clock import Clock
from millstream.testing import run
from millstream.verdict import Reject
from millstream.zones import zone
from plugin import CleanseVehicle, parse_position
from vocabulary import direction, fuel_type

TIMES = Path(__file__).resolve().parents[4] / "tests" / "times" / "texts"
LONDON = zone("europe/london")


def instant(text, change="compatible", where=LONDON):
    try:
        return str(Clock(where, change).instant_us(text))
    except Reject as reject:
        for short in ("out of range", "change of the clocks"):
            if short in reject.reason:
                return short
        return "not a time"


@pytest.mark.parametrize("line", TIMES.read_text(encoding="utf-8").splitlines()[1:])
def test_reads_the_times_that_the_host_reads(line):
    text, expected = line.split("|")
    assert instant(text) == expected.strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-29T01:30:00", "change of the clocks"),
        ("2026-10-25T01:30:00", "change of the clocks"),
        ("2026-03-29T02:00:00", "1774746000000000"),
    ],
)
def test_changes_of_the_clocks_may_be_refused(text, expected):
    assert instant(text, "reject") == expected


def test_half_an_hour_is_put_back():
    lord_howe = zone("Australia/Lord_Howe")
    assert instant("2026-04-05T01:29:00", "reject", lord_howe) == instant("2026-04-04T14:29:00Z")
    assert instant("2026-04-05T01:31:00", "reject", lord_howe) == "change of the clocks"


def test_words():
    assert [fuel_type(text) for text in ("  gasoline ", "EV", "plug-in hybrid", "", "Dièsel")] == [
        "Petrol", "Electric", "Plug-in Hybrid", None, None
    ]
    assert [direction(text) for text in ("north east", "NE", "southbound", "n.n.w.", "bound", "Nörth")] == [
        "North-East", "North-East", "South", "North-North-West", None, None
    ]


@pytest.mark.parametrize("text", ["51.5,-0.12", " 51.5 , -0.12 ", "[51.5, -0.12]", "5.15e1,-.12"])
def test_positions(text):
    assert parse_position(text) == (51.5, -0.12)


@pytest.mark.parametrize("text", ["", "London", "51.5", "[]", "51.5 -0.12", "51.5,-0.12,30", "[51.5,-0.12", "1_0,2", "٣,4"])
def test_what_is_no_position(text):
    with pytest.raises(Reject):
        parse_position(text)


SOUND = {
    "timestamp": "2026-01-01T08:00:38.123456", "_timestamp": 1_767_254_438_123_456, "location.lat": 51.5, "location.lon": -0.14,
    "speed": 36.0, "bearing": 312.7, "direction": " north east", "make": " BMW ", "model": "C500\t", "fuelType": "HYBRID",
}


def test_a_row():
    (row,) = run(CleanseVehicle, [SOUND], {"zone": "Europe/London"}).rows
    assert row == SOUND | {
        "timestamp": 1_767_254_438_123_456, "timestamp_in_future": False, "direction": "North-East", "make": "BMW",
        "model": "C500", "fuelType": "Hybrid",
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"timestamp": None}, "`timestamp` is missing"),
        ({"location.lat": None}, "`location.lat` is missing"),
        ({"location.lat": None, "location.lon": None}, "`location` is missing"),
        ({"location.lat": 0.0, "location.lon": -0.0}, "`location` is 0, 0: the device had no fix"),
        ({"location.lat": float("nan")}, "`location.lat` is out of range [-90, 90]"),
        ({"speed": None}, "`speed` is missing"),
        ({"speed": 300.5}, "`speed` is above the maximum"),
        ({"bearing": -1.0}, "`bearing` is out of range [0, 360]"),
    ],
)
def test_what_cannot_be_has_its_reason(change, reason):
    assert run(CleanseVehicle, [SOUND | change], {"zone": "Europe/London"}).rejected == {0: reason}
