"""What authors see: rows, columns, verdicts, outputs, errors. All of it natively, over the same buffers as in the host."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pytest
from millstream import (
    DROP, BadBatch, Columns, ConfigError, Counter, Fatal, Gauge, Reject, Retry, Transform, emit, inherit, new, output, plugin, read,
    row, write,
)
from millstream.http import Failure, Request, Response, send, send_many
from millstream.plan import Column
from millstream.testing import run


@dataclass
class Limit:
    limit: float = 100.0


@row(rename="camelCase")
class Vehicle:
    latitude: float | None = read("location.lat")
    speed: float | None
    fuel_type: str | None = write()
    limit_kmh: float | None = read(optional=True)
    checksum: int | None = read(optional=True, drop=True)
    speeding: bool = new(default=False)
    note: str | None = new()


@plugin
def clean(vehicle: Vehicle, config: Limit) -> Reject | None:
    if vehicle.speed is None:
        return Reject("`speed` is missing")
    if vehicle.speed < 0:
        raise Reject("`speed` is negative")
    if vehicle.speed == 0:
        return DROP
    vehicle.speeding = vehicle.speed > (vehicle.limit_kmh or config.limit)
    vehicle.fuel_type = vehicle.fuel_type and vehicle.fuel_type.strip()
    return None


def test_rows():
    outcome = run(
        clean,
        [
            {"location.lat": 1.0, "speed": 120.0, "fuelType": " Diesel ", "checksum": 7, "year": 2023},
            {"speed": None}, {"speed": -1.0}, {"speed": 0.0}, {"speed": 50.0, "fuelType": None},
        ],
    )
    assert outcome.rows == [
        {"location.lat": 1.0, "speed": 120.0, "fuelType": "Diesel", "year": 2023, "speeding": True, "note": None},
        {"speed": 50.0, "fuelType": None, "speeding": False, "note": None},
    ]
    assert outcome.rejected == {1: "`speed` is missing", 2: "`speed` is negative"}
    assert outcome.dropped == [3]


def plan_of(target, **columns):
    stream = [Column(name, None, nullable) for name, nullable in columns.items()]
    definition = target.__millstream_plugin__
    return definition.configure(definition.example, [("s", stream)]).plan


def test_the_plan_is_the_row():
    @plugin
    def every_row(vehicle: Vehicle) -> None:
        vehicle.note = "seen"

    plan = plan_of(every_row, **{"location.lat": True, "speed": True, "fuelType": True, "checksum": False})
    assert [column.name for column in plan.reads] == ["location.lat", "speed", "fuelType", "checksum"]
    assert [column.name for column in plan.writes] == ["fuelType", "speeding", "note"]
    assert [column.nullable for column in plan.writes] == [True, False, True]
    assert (plan.drops, plan.row_preserving) == (["checksum"], True)
    assert not plan_of(clean, **{"location.lat": True, "speed": True, "fuelType": True}).row_preserving


@row
class Needs:
    speed: float
    year: int
    offset: int = read("_offset")


def test_streams_that_do_not_fit():
    @plugin
    def needs(each: Needs) -> None:
        pass

    with pytest.raises(ConfigError) as caught:
        plan_of(needs, speed=True)
    assert caught.value.problems == {
        "inputs.s.speed": "column `speed` may be null, but this plugin needs a value: declare it as required, "
        "or annotate it `float | None`",
        "inputs.s.year": "the input has no column `year`; it has `speed`",
    }


@pytest.mark.parametrize(
    ("annotations", "values", "message"),
    [
        ({"a": complex}, {}, "Wrong.a: <class 'complex'> is no column type"),
        ({"a": int}, {"a": read(optional=True)}, "Wrong.a is optional, so it must be `| None`"),
        ({"a": int}, {"a": 5}, "Wrong.a has a default and is read: write new(default=...), or no default"),
        ({"a": int}, {"a": inherit()}, "Wrong.a cannot be inherit(): there are read(), write(), new()"),
        ({"a": int, "b": int}, {"b": write("a")}, "Wrong: column `a` is read twice"),
        ({"a": int, "b": int}, {"a": new("c"), "b": new("c")}, "Wrong: column `c` is written twice"),
    ],
)
def test_rows_that_are_none(annotations, values, message):
    with pytest.raises(TypeError) as caught:
        row(type("Wrong", (), {"__annotations__": annotations, "__module__": __name__, **values}))
    assert str(caught.value).startswith(message)


def test_misspelt_attributes_are_errors():
    @plugin
    def misspelt(vehicle: Vehicle) -> None:
        vehicle.speding = True

    with pytest.raises(BadBatch, match=r"^test_plugins.py:\d+: AttributeError: 'Vehicle' object has no attribute 'speding'"):
        run(misspelt, [{"location.lat": 1.0, "speed": 1.0, "fuelType": ""}])


def fails_far_away(value):
    return 1 / value


def rejects_far_away(*reasons):
    raise Reject(*reasons)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda each: fails_far_away(0), f"test_plugins.py:{fails_far_away.__code__.co_firstlineno + 1}: ZeroDivisionError: division by zero"),
        (lambda each: rejects_far_away(), f"test_plugins.py:{rejects_far_away.__code__.co_firstlineno + 1}: TypeError: Reject takes one reason"),
        (lambda each: rejects_far_away("a", "b"), "TypeError: Reject takes one reason"),
        (lambda each: Reject(), "TypeError: Reject takes one reason"),
        (lambda each: "keep", "TypeError: process returned 'keep': it returns None to keep a row, DROP, or Reject(reason)"),
        (lambda each: setattr(each, "fuel_type", 5), "TypeError: column `fuelType` takes str or None, not int"),
        (lambda each: emit(each), "TypeError: Vehicle is none of the plugin's outputs: write @plugin(emits=[Vehicle])"),
    ],
)
def test_exceptions_show_the_authors_line(act, message):
    @plugin
    def fails(vehicle: Vehicle) -> Reject | None:
        return act(vehicle)

    with pytest.raises(BadBatch) as caught:
        run(fails, [{"location.lat": 1.0, "speed": 1.0, "fuelType": ""}])
    assert str(caught.value).startswith("test_plugins.py:") and str(caught.value).endswith(message)


def test_a_function_that_keeps_every_row_does_so():
    @plugin
    def keeps(vehicle: Vehicle) -> None:
        raise Reject("after all")

    with pytest.raises(BadBatch, match="and is annotated `-> None`: it keeps every row; write `-> Reject | None`"):
        run(keeps, [{"location.lat": 1.0, "speed": 1.0, "fuelType": ""}])


@pytest.mark.parametrize("error", [Retry("later"), BadBatch("some row"), Fatal("never")])
def test_batches_may_be_refused(error):
    @plugin
    class Refuses(Transform):
        def prepare(self, rows):
            raise error

        def process(self, vehicle: Vehicle) -> None:
            pass

    with pytest.raises(type(error), match=str(error)):
        run(Refuses, [{"location.lat": 1.0, "speed": 1.0, "fuelType": ""}])


@row
class Trip:
    plate: str | None
    stops: list[str] | None = read(drop=True)
    stop: str | None = new()


@output
class Stop:
    stop: str


@output(table="alerts")
class Alert:
    plate: str | None = inherit()
    severity: int
    note: str | None = None


@plugin(emits=[Stop, Alert])
def split(trip: Trip) -> None:
    for stop in trip.stops or []:
        emit(Stop(stop=stop))
        if stop == "Hell":
            emit(Alert(severity=3))
    return DROP


def test_one_row_into_many_and_into_other_tables():
    outcome = run(split, [{"plate": "A", "stops": ["Rugby", "Hell"]}, {"plate": "B", "stops": None}], stream="trips")
    assert (outcome.rows, outcome.dropped) == ([], [0, 1])
    assert outcome.emitted == {
        "trips": [{"stop": "Rugby", "_parent": 0}, {"stop": "Hell", "_parent": 0}],
        "alerts": [{"plate": "A", "severity": 3, "note": None, "_parent": 0}],
    }
    with pytest.raises(TypeError, match="severity"):
        Alert()


@row
class Reading:
    celsius: float | None = write()
    fahrenheit: float | None = new()
    sensor: str | None
    flagged: bool = new()


def test_whole_columns():
    @plugin(emits=[Alert])
    def convert(rows: Columns[Reading]) -> None:
        rows.fahrenheit = [value and value * 1.8 + 32 for value in rows.celsius]
        rows.reject([value is None for value in rows.celsius], "`celsius` is missing")
        rows.keep(sensor != "broken" for sensor in rows.sensor)
        rows.keep([True] * len(rows))
        assert list(rows.array("celsius"))[0] == 10.0
        assert rows.valid("celsius") == b"\1\0\1" and rows.valid("sensor") is None
        rows.emit(Alert(severity=1), parent=2)

    given = [{"celsius": 10.0, "sensor": "a"}, {"celsius": None, "sensor": "b"}, {"celsius": 1.0, "sensor": "broken"}]
    outcome = run(convert, given)
    assert outcome.rows == [{"celsius": 10.0, "sensor": "a", "fahrenheit": 50.0, "flagged": False}]
    assert (outcome.rejected, outcome.dropped) == ({1: "`celsius` is missing"}, [2])
    assert outcome.emitted["alerts"][0]["_parent"] == 2


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda rows: setattr(rows, "celsius", [1.0]), "ValueError: `celsius`: 1 values for 2 rows"),
        (lambda rows: setattr(rows, "sensor", ["a", "b"]), "AttributeError: `sensor` is only read: declare it as write() or new()"),
        (lambda rows: rows.speed, "AttributeError: there is no column `speed`; there are celsius, fahrenheit, sensor, flagged"),
        (lambda rows: rows.fahrenheit, "AttributeError: `fahrenheit` is new: it is written, not read"),
        (lambda rows: rows.keep([True]), "ValueError: 1 flags for 2 rows"),
        (lambda rows: rows.array("sensor"), "TypeError: `sensor` is utf8: only numbers are an array"),
        (lambda rows: setattr(rows, "celsius", [1.0, "x"]), "TypeError: column `celsius` takes float or None, not str"),
        (lambda rows: True, "TypeError: a function of columns returns None, not True: there are keep() and reject()"),
    ],
)
def test_columns_that_do_not_fit(act, message):
    @plugin
    def wrong(rows: Columns[Reading]):
        return act(rows)

    with pytest.raises(BadBatch) as caught:
        run(wrong, [{"celsius": 1.0, "sensor": "a"}] * 2)
    assert str(caught.value).endswith(message)


def test_metrics_count_only_if_the_call_succeeds():
    rows_seen, fastest = Counter("rows_seen"), Gauge("fastest")

    @plugin
    def counts(vehicle: Vehicle) -> None:
        rows_seen.add()
        fastest.set(vehicle.speed)
        if vehicle.speed > 100:
            raise ValueError

    good, bad = ({"location.lat": 1.0, "speed": speed, "fuelType": ""} for speed in (1.0, 101.0))
    with pytest.raises(BadBatch):
        run(counts, [good, bad])
    outcome = run(counts, [good, good])
    assert (outcome.counters, outcome.gauges) == ({"rows_seen": 2}, {"fastest": 1.0})


@row
class Car:
    plate: str
    owner: str | None = new()


def test_servers():
    @plugin
    class Owner(Transform):
        def prepare(self, rows):
            answers = send_many(Request.get(f"https://cars.example/{each.plate}").header("Accept", "text/plain") for each in rows)
            self.owners = iter([answer.success().decode() for answer in answers])

        def process(self, car: Car) -> None:
            car.owner = next(self.owners)

    def server(request):
        assert request.headers == (("Accept", "text/plain"),)
        status = {"A": 200, "B": 503, "C": 404}.get(request.url[-1])
        if status is None:
            raise Failure("denied", "not granted")
        return Response(status, (), b"Ann")

    assert run(Owner, [{"plate": "A"}], server=server).rows == [{"plate": "A", "owner": "Ann"}]
    for plate, error, message in (("B", Retry, "503"), ("C", BadBatch, "404"), ("D", BadBatch, "not granted")):
        with pytest.raises(error, match=message):
            run(Owner, [{"plate": plate}], server=server)
    with pytest.raises(Failure, match="no server in this test"):
        send(Request.post("https://cars.example", b""))


def test_plugins_that_are_none():
    with pytest.raises(TypeError, match="_of_three takes 3 parameters"):
        plugin(_of_three)
    with pytest.raises(TypeError, match="annotate `vehicle` with the class of its rows"):
        plugin(_unannotated)
    with pytest.raises(TypeError, match="int is no row: write @row above it"):
        plugin(_of_int)


def _of_three(a, b, c):
    pass


def _unannotated(vehicle):
    pass


def _of_int(vehicle: int):
    pass


def test_logging_is_the_librarys(caplog):
    @plugin
    def logs(vehicle: Vehicle) -> None:
        logging.getLogger("clean").warning("speed %s", vehicle.speed)

    run(logs, [{"location.lat": 1.0, "speed": 1.0, "fuelType": ""}])
    assert caplog.messages == ["speed 1.0"]
