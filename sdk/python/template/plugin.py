"""{{name}}: adds what a thermometer shows in Fahrenheit, and rejects readings that cannot be true."""

from dataclasses import dataclass
from typing import Annotated

from millstream import Reject, new, plugin, row, write

ABSOLUTE_ZERO_CELSIUS = -273.15


@dataclass
class Config:
    """The parameters of a step that runs the plugin."""

    celsius_max: Annotated[float, "what shows more than this is rejected, in degrees Celsius"]


@row
class Reading:
    """The columns that the plugin looks at. No other column enters it."""

    sensor: str | None = write()    # read, and written back
    celsius: float | None           # read; None if the message does not say
    fahrenheit: float = new()       # a new column


@plugin(example={"celsius_max": 60})
def convert(reading: Reading, config: Config) -> Reject | None:
    if reading.celsius is None:
        return Reject("`celsius` is missing")
    if reading.celsius < ABSOLUTE_ZERO_CELSIUS:
        return Reject("`celsius` is below absolute zero")
    if reading.celsius > config.celsius_max:
        return Reject("`celsius` is above `celsius_max`")
    reading.sensor = reading.sensor and reading.sensor.strip()
    reading.fahrenheit = reading.celsius * 9 / 5 + 32
    return None
