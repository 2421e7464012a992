"""From the times that devices report to instants. Times with an offset are instants already; the others are wall-clock times of
the configured zone. In the hour that a change of the clocks leaves out or repeats, the offset from before the change counts, or
the time is refused.
"""

import re
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from millstream import Reject

SECOND = 1_000_000
HOUR = 3600 * SECOND
EPOCH = datetime(1970, 1, 1)
DAYS_OF_400_YEARS = 146_097
# The years 1 to 9999.
FIRST, LAST = -62_135_596_800 * SECOND, 253_402_300_800 * SECOND - 1

ISO_8601 = re.compile(
    r"(?P<year>\d{4}|\+\d{6}|-(?!000000)\d{6})(?P<dash>-?)(?P<month>\d\d)(?P=dash)(?P<day>\d\d)"
    r"[Tt ](?P<hour>\d\d)(?:(?P<colon>:?)(?P<minute>\d\d)(?:(?P=colon)(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?)?"
    r"(?:(?P<utc>[Zz])|(?P<sign>[+-])(?P<off_hour>\d\d)(?::?(?P<off_minute>\d\d))?)?",
    re.ASCII,
)


class Clock:
    def __init__(self, zone: ZoneInfo, change: str):
        self.zone, self.refuses_changes = zone, change == "reject"
        self.steady_offset = lru_cache(maxsize=64)(self._steady_offset)

    def instant_us(self, text: str) -> int:
        """Microseconds since the epoch; digits below are cut off."""
        wall, offset = fixed_layout(text) or other_layout(text.strip())
        if offset is None:
            offset = self.offset_us(wall)
        if not FIRST <= wall - offset <= LAST:
            raise Reject("`timestamp` is out of range: not in the years 1 to 9999")
        return wall - offset

    def offset_us(self, wall: int) -> int:
        steady = self.steady_offset(wall // HOUR)
        if steady is not None:
            return steady
        before, after = self.offsets(wall)
        if before != after and self.refuses_changes:
            raise Reject("`timestamp` falls into a change of the clocks")
        return before

    def _steady_offset(self, hour: int) -> int | None:
        """The offset of an hour on the wall, if it is one and the same from its beginning to its end."""
        offsets = {*self.offsets(hour * HOUR), *self.offsets(hour * HOUR + HOUR - 1)}
        return offsets.pop() if len(offsets) == 1 else None

    def offsets(self, wall: int) -> tuple[int, int]:
        """The offsets before and after a change of the clocks at this time; mostly they are the same."""
        wall = min(max(wall, FIRST), LAST)
        local = EPOCH.replace(tzinfo=self.zone) + timedelta(microseconds=wall)
        return tuple(local.replace(fold=fold).utcoffset() // timedelta(microseconds=1) for fold in (0, 1))


def fixed_layout(text: str) -> tuple[int, int | None] | None:
    """`YYYY-MM-DDTHH:MM:SS[.fff[fff]][Z]` as microseconds since 1970-01-01T00:00 on the time's own clock, and the offset if it is
    UTC, by the library's own parser, which is quick. What else it takes of these lengths is not meant: week dates, 24:00, offsets."""
    bare, offset = (text[:-1], 0) if text.endswith("Z") else (text, None)
    if len(bare) not in (19, 23, 26) or bare[10] != "T" or bare[5] == "W" or bare[11:13] == "24":
        return None
    try:
        since = datetime.fromisoformat(bare) - EPOCH
    except (ValueError, TypeError):
        return None
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds, offset


def other_layout(text: str) -> tuple[int, int | None]:
    """Any form of ISO-8601 that has a date and a time of day, and its offset if it has one."""
    found = ISO_8601.fullmatch(text)
    try:
        return wall_us(found), stated_offset_us(found)
    except (ValueError, TypeError):
        raise Reject("`timestamp` is not an ISO-8601 time") from None


def wall_us(found: re.Match) -> int:
    """Raises ValueError if there is no such day or time of day."""
    year, second = int(found["year"]), int(found["second"] or 0)
    if abs(year) > 9999 or second > 60:
        raise ValueError
    # The calendar repeats itself every 400 years; `date` has none before the year 1. A leap second is read as the one before.
    days = date(year % 400 + 2000, int(found["month"]), int(found["day"])).toordinal() - EPOCH.toordinal()
    of_day = time(int(found["hour"]), int(found["minute"] or 0), min(second, 59))
    seconds = (of_day.hour * 60 + of_day.minute) * 60 + of_day.second
    fraction = int((found["fraction"] or "0")[:6].ljust(6, "0"))
    return ((days + (year // 400 - 5) * DAYS_OF_400_YEARS) * 86_400 + seconds) * SECOND + fraction


def stated_offset_us(found: re.Match) -> int | None:
    """Raises ValueError if no place can have such an offset."""
    if found["utc"]:
        return 0
    if not found["sign"]:
        return None
    size = time(int(found["off_hour"]), int(found["off_minute"] or 0))
    offset = (size.hour * 60 + size.minute) * 60 * SECOND
    return -offset if found["sign"] == "-" else offset
