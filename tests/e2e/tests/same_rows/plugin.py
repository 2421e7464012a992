"""Every type of column, with and without nulls, read and written back by a function of rows."""

import datetime

from millstream import DROP, Float32, Int32, LocalTimestamp, Reject, Timestamp, plugin, row, write


@row
class Every:
    verdict: Int32
    flag: bool = write()
    small: Int32 = write()
    large: int = write()
    single: Float32 = write()
    double: float = write()
    text: str = write()
    blob: bytes = write()
    day: datetime.date = write()
    at: Timestamp = write()
    wall: LocalTimestamp = write()
    numbers: list[float] = write()
    words: list[str] = write()
    maybe_flag: bool | None = write()
    maybe_small: Int32 | None = write()
    maybe_large: int | None = write()
    maybe_single: Float32 | None = write()
    maybe_double: float | None = write()
    maybe_text: str | None = write()
    maybe_blob: bytes | None = write()
    maybe_day: datetime.date | None = write()
    maybe_at: Timestamp | None = write()
    maybe_wall: LocalTimestamp | None = write()
    maybe_numbers: list[float] | None = write()
    maybe_words: list[str] | None = write()


@plugin
def same(every: Every) -> object:
    if every.verdict == 1:
        return Reject("turned away")
    return DROP if every.verdict == 2 else None
