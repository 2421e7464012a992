"""Write Millstream plugins in Python.

A plugin is a class that says which columns it looks at, and a function over one row of them, in `plugin.py`:

    from dataclasses import dataclass

    from millstream import DROP, Reject, new, plugin, read, row, write

    @dataclass
    class Config:
        limit_kmh: float = 120.0

    @row(rename="camelCase")
    class Vehicle:
        latitude: float | None = read("location.lat")   # nested fields are dotted columns
        speed: float | None                             # read
        fuel_type: str | None = write()                 # `fuelType`, read and written back
        speeding: bool = new()                          # a new column

    @plugin
    def clean(vehicle: Vehicle, config: Config) -> Reject | None:
        if vehicle.speed is None:
            return Reject("`speed` is missing")
        vehicle.speeding = vehicle.speed > config.limit_kmh
        vehicle.fuel_type = vehicle.fuel_type and vehicle.fuel_type.strip()

What needs more than that is a `Transform` under `@plugin`; what works on whole columns takes `Columns[Vehicle]`. A function that
returns nothing and is annotated `-> None` keeps every row. `emit` makes rows of an `@output`, for the stream or for another
table. `Counter` and `Gauge` are metrics; `logging` and `print` go to the host's log; `millstream.http` asks servers that the
plugin is granted; `millstream.zones` has time zones; `millstream.testing` runs a plugin natively.

The types of columns are in `millstream.types`. An exception costs the row that raised it, which becomes a dead letter with the
author's file and line. What a plugin remembers between calls is lost at any time, and it has neither files nor a clock.
"""

from .columns import Columns
from .metrics import Counter, Gauge
from .row import inherit, new, output, read, row, write
from .transform import Transform, emit, plugin
from .types import Float32, Int32, LocalDatetime, LocalTimestamp, Timestamp
from .verdict import DROP, BadBatch, ConfigError, Fatal, Reject, Retry

__all__ = [
    "BadBatch", "Columns", "ConfigError", "Counter", "DROP", "Fatal", "Float32", "Gauge", "Int32", "LocalDatetime",
    "LocalTimestamp", "Reject", "Retry", "Timestamp", "Transform", "emit", "inherit", "new", "output", "plugin", "read",
    "row", "write",
]
