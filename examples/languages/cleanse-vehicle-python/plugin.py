"""Cleanses the vehicle stream, as `plugins/cleanse-vehicle` does in Rust: the same configuration, the same rules in the same
order, the same reasons. Rows that cannot be true become dead letters; the rest is brought to one spelling, one unit and one clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Annotated, Literal
from zoneinfo import ZoneInfoNotFoundError

from clock import Clock
from millstream import ConfigError, Reject, Timestamp, Transform, new, plugin, read, row, write
from millstream.zones import zone
from vocabulary import Words

KMH = {"km/h": 1.0, "mph": 1.609344, "m/s": 3.6}


@dataclass
class Config:
    zone: Annotated[str, "IANA time zone of timestamps without an offset"]
    clock_change: Annotated[
        Literal["compatible", "reject"],
        "local times that a change of the clocks leaves out or repeats: "
        "take the offset from before the change, or reject the row",
    ] = "compatible"
    future_max_seconds: Annotated[
        float, "timestamps more than this later than their message are flagged in `timestamp_in_future`", {"minimum": 0}
    ] = 300
    null_island: Annotated[Literal["keep", "reject"], "rows at exactly 0, 0"] = "reject"
    speed_unit: Annotated[Literal["km/h", "mph", "m/s"], "unit of the speeds that arrive; km/h is written"] = "km/h"
    speed_max_kmh: Annotated[float, "rows above are rejected", {"exclusiveMinimum": 0}] = 300
    spellings: Annotated[dict[str, str], "spellings of fuel types and directions, and the words they mean"] = field(
        default_factory=dict
    )
    unknown_words: Annotated[Literal["keep", "reject"], "fuel types and directions that are not known"] = "keep"


@row(rename="camelCase")
class Vehicle:
    reported_at: str | None = read("timestamp")
    instant: Timestamp = new("timestamp")
    received_at: Timestamp | None = read("_timestamp")
    in_future: bool | None = new("timestamp_in_future")
    latitude: float | None = write("location.lat")
    longitude: float | None = write("location.lon")
    lat: float | None = read(optional=True, drop=True)
    lon: float | None = read(optional=True, drop=True)
    position: str | None = read("location.text", optional=True, drop=True)
    speed: float | None = write()
    bearing: float | None = read(optional=True)
    direction: str | None = write()
    make: str | None = write()
    model: str | None = write()
    fuel_type: str | None = write()


@plugin(example={"zone": "Europe/London"})
class CleanseVehicle(Transform):
    def configure(self, config: Config) -> None:
        problems = {}
        try:
            self.clock = Clock(zone(config.zone), config.clock_change)
        except ZoneInfoNotFoundError:
            problems["zone"] = f"no time zone is called `{config.zone}`: write an IANA name as `Europe/London`"
        self.words = Words(config.spellings, config.unknown_words, problems)
        self.future_max_us = int(config.future_max_seconds * 1e6)
        self.refuse_null_island = config.null_island == "reject"
        self.in_kmh, self.speed_max_kmh = KMH[config.speed_unit], config.speed_max_kmh
        if problems:
            raise ConfigError(problems)

    def process(self, vehicle: Vehicle) -> Reject | None:
        if vehicle.reported_at is None:
            return Reject("`timestamp` is missing")
        vehicle.instant = self.clock.instant_us(vehicle.reported_at)
        if vehicle.received_at is not None:
            vehicle.in_future = vehicle.instant > vehicle.received_at + self.future_max_us
        vehicle.latitude, vehicle.longitude = self.place(vehicle)
        vehicle.speed = self.kmh(vehicle.speed)
        if vehicle.bearing is not None and not 0 <= vehicle.bearing <= 360:
            return Reject("`bearing` is out of range [0, 360]")
        vehicle.fuel_type = self.words.fuel_type(vehicle.fuel_type)
        vehicle.direction = self.words.direction(vehicle.direction)
        vehicle.make = vehicle.make and vehicle.make.strip()
        vehicle.model = vehicle.model and vehicle.model.strip()

    def place(self, vehicle: Vehicle) -> tuple[float, float]:
        latitude, longitude = whereabouts(vehicle)
        if not -90 <= latitude <= 90:
            raise Reject("`location.lat` is out of range [-90, 90]")
        if not -180 <= longitude <= 180:
            raise Reject("`location.lon` is out of range [-180, 180]")
        if latitude == 0 and longitude == 0 and self.refuse_null_island:
            raise Reject("`location` is 0, 0: the device had no fix")
        return latitude, longitude

    def kmh(self, speed: float | None) -> float:
        if speed is None:
            raise Reject("`speed` is missing")
        if not isfinite(speed):
            raise Reject("`speed` is not a finite number")
        kmh = speed * self.in_kmh
        if kmh < 0:
            raise Reject("`speed` is negative")
        if kmh > self.speed_max_kmh:
            raise Reject("`speed` is above the maximum")
        return kmh


def whereabouts(vehicle: Vehicle) -> tuple[float, float]:
    """Both degrees from one source, the first that is whole: half of one and half of another would be a place where nobody was."""
    if vehicle.latitude is not None and vehicle.longitude is not None:
        return vehicle.latitude, vehicle.longitude
    location, fields = (vehicle.latitude, vehicle.longitude), (vehicle.lat, vehicle.lon)
    if None not in fields:
        return fields
    if vehicle.position is not None:
        return parse_position(vehicle.position)
    for pair, names in ((location, ("location.lat", "location.lon")), (fields, ("lat", "lon"))):
        if pair != (None, None):
            raise Reject(f"`{names[pair.index(None)]}` is missing")
    raise Reject("`location` is missing")


def parse_position(text: str) -> tuple[float, float]:
    """`LAT, LON`, in square brackets or not."""
    pair = text.strip()
    if pair.startswith("["):
        pair = pair[1:-1] if pair.endswith("]") else ""
    try:
        # Of what float() takes, digits of other scripts and `1_000` are not degrees.
        latitude, longitude = pair.split(",") if pair.isascii() and "_" not in pair else ()
        return float(latitude), float(longitude)
    except ValueError:
        raise Reject("`location` is not a latitude and a longitude") from None
