"""From the times that devices report to instants. Times with an offset are instants already; the others are wall-clock times of
the configured zone. In the hour that a change of the clocks leaves out or repeats, the offset from before the change counts, or
the time is refused.
"""

import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from millstream import Reject

SECOND = 1_000_000
HOUR = 3600 * SECOND
EPOCH = date(1970, 1, 1).toordinal()
DAYS_OF_400_YEARS = 146_097
# The years 1 to 9999.
FIRST, LAST = -62_135_596_800 * SECOND, 253_402_300_800 * SECOND - 1

ISO_8601 = re.compile(
    r"(?P<year>\d{4}|\+\d{6}|-(?!000000)\d{6})(?P<dash>-?)(?P<month>\d\d)(?P=dash)(?P<day>\d\d)"
    r"[Tt ](?P<hour>\d\d)(?:(?P<colon>:?)(?P<minute>\d\d)(?:(?P=colon)(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?)?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<off_hour>\d\d)(?::?(?P<off_minute>\d\d))?)?",
    re.ASCII,
)


class Clock:
    def __init__(self, zone: ZoneInfo, change: str):
        self.zone, self.refuses_changes = zone, change == "reject"
        self.steady_offset = lru_cache(maxsize=64)(self._steady_offset)

    def instant_us(self, text: str) -> int:
        """Microseconds since the epoch; digits below are cut off."""
        found = ISO_8601.fullmatch(text.strip())
        wall = found and wall_us(found)
        if wall is None:
            raise Reject("`timestamp` is not an ISO-8601 time")
        if found["sign"]:
            offset = int(found["off_hour"]) * HOUR + int(found["off_minute"] or 0) * 60 * SECOND
            offset = -offset if found["sign"] == "-" else offset
        elif found.end() and found[0][-1] in "Zz":
            offset = 0
        else:
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
        time = datetime(1970, 1, 1, tzinfo=self.zone) + timedelta(microseconds=wall)
        return tuple(time.replace(fold=fold).utcoffset() // timedelta(microseconds=1) for fold in (0, 1))


def wall_us(found: re.Match) -> int | None:
    """Microseconds since 1970-01-01T00:00 on the time's own clock; none if there is no such day or time of day."""
    year, month, day = int(found["year"]), int(found["month"]), int(found["day"])
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    if abs(year) > 9999 or hour > 23 or minute > 59 or second > 60 or int(found["off_hour"] or 0) > 23:
        return None
    if int(found["off_minute"] or 0) > 59:
        return None
    try:
        # The calendar repeats itself every 400 years; `date` has none before the year 1.
        days = date(year % 400 + 2000, month, day).toordinal() + (year // 400 - 5) * DAYS_OF_400_YEARS - EPOCH
    except ValueError:
        return None
    fraction = int((found["fraction"] or "0")[:6].ljust(6, "0"))
    # A leap second is read as the one before.
    return ((days * 24 + hour) * 60 + minute) * 60 * SECOND + min(second, 59) * SECOND + fraction
