"""Every type of column, both ways, in the real engine; and what Python cannot do there, said as an exception."""

import datetime
import logging
import time
import zoneinfo
from dataclasses import dataclass
from typing import Literal

from millstream import (
    DROP, Counter, Float32, Gauge, Int32, LocalDatetime, LocalTimestamp, Reject, Timestamp, Transform, emit, inherit, new, output,
    plugin, read, row, write,
)

SEEN, LONGEST = Counter("rows_seen"), Gauge("longest_text")


@dataclass
class Config:
    greeting: Literal["hello", "goodbye"] = "hello"


@row
class Every:
    act: str | None
    flag: bool | None = write()
    small: Int32 | None = write()
    big: int | None = write()
    single: Float32 | None = write()
    double: float | None = write()
    text: str | None = write()
    day: datetime.date | None = write("date")
    at: datetime.datetime | None = write()
    numbers: list[float] | None = write()
    words: list[str] | None = write()
    micros: Timestamp | None
    written: LocalTimestamp | None = new()
    wall: LocalDatetime | None = new()
    raw: bytes | None = new()
    greeting: str = new()
    offset: int = read("_offset")


@output
class Again:
    text: str | None
    greeting: str = "again"


@output(table="alerts")
class Alert:
    text: str | None = inherit()
    severity: int
    days: list[float] = ()


@plugin(emits=[Again, Alert])
class EveryType(Transform):
    def configure(self, config: Config) -> None:
        self.greeting = config.greeting

    def process(self, every: Every) -> Reject | None:
        SEEN.add()
        LONGEST.set(len(every.text or ""))
        every.greeting = self.greeting
        if every.act:
            return ACTS[every.act](every)
        every.flag = not every.flag
        every.small, every.big = -(every.small or 0), -(every.big or 0)
        every.single, every.double = (every.single or 0) / 2, (every.double or 0) / 2
        every.text = every.text and every.text[::-1]
        every.day = every.day and every.day + datetime.timedelta(days=1)
        every.at = every.at and every.at.astimezone(datetime.timezone(datetime.timedelta(hours=5))) + datetime.timedelta(hours=1)
        every.numbers = every.numbers and [-number for number in every.numbers]
        every.words = every.words and [*every.words, "…"]
        every.written = every.micros
        every.wall = every.at and every.at.replace(tzinfo=None)
        every.raw = None if every.text is None else every.text.encode()
        return None


def talk(every: Every) -> None:
    logging.getLogger("every").warning("warned of %s", every.text)
    logging.info("informed")
    try:
        raise KeyError("inner")
    except KeyError:
        logging.exception("caught")
    print("printed", every.text)


def split(every: Every) -> object:
    for letter in every.text or "":
        emit(Again(text=letter))
    emit(Alert(severity=len(every.text or ""), days=[1.0]))
    return DROP


def deep(every: Every) -> None:
    deep(every)


def late_import(every: Every) -> None:
    import csv  # noqa: F401


ACTS = {
    "talk": talk,
    "split": split,
    "drop": lambda every: DROP,
    "reject": lambda every: Reject("`act` is reject"),
    "fail": lambda every: 1 / 0,
    "wrong": lambda every: setattr(every, "big", "text"),
    "file": lambda every: open("/etc/passwd"),
    "clock": lambda every: time.time(),
    "sleep": lambda every: time.sleep(1),
    "import": late_import,
    "zone": lambda every: zoneinfo.ZoneInfo("Europe/London"),
    "now": lambda every: datetime.datetime.now(),
    "deep": deep,
    "memory": lambda every: [0] * 100_000_000,
    "exit": lambda every: exit(1),
    "surrogate": lambda every: setattr(every, "text", "\ud800"),
}
