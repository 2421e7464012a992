"""Writes zones.c: the changes of the clocks of some zones, from this machine's time zone files (RFC 8536).

    python3 zones.py > zones.c
"""

import re
import struct
import sys
from pathlib import Path

FOLDER = Path("/usr/share/zoneinfo")
ZONES = [
    "America/Los_Angeles",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Paris",
    "UTC",
]


def read(name):
    """First offset, changes as (instant, offset), and the rule for what comes after them."""
    data = (FOLDER / name).read_bytes()
    header = struct.Struct(">4s c 15x 6I")
    magic, _, utc, wall, leaps, times, types, letters = header.unpack_from(data)
    assert magic == b"TZif", name
    at = header.size + times * 5 + types * 6 + letters + leaps * 8 + wall + utc
    _, _, utc, wall, leaps, times, types, letters = header.unpack_from(data, at)
    at += header.size
    instants = struct.unpack_from(f">{times}q", data, at)
    kinds = data[at + times * 8 : at + times * 9]
    at += times * 9
    offsets = [struct.unpack_from(">i", data, at + kind * 6)[0] for kind in range(types)]
    at += types * 6 + letters + leaps * 12 + wall + utc
    first = offset = offsets[0]
    changes = []
    for instant, kind in zip(instants, kinds):
        if offsets[kind] != offset:
            offset = offsets[kind]
            changes.append((instant, offset))
    return first, changes, rule(data[at:].decode().strip())


NAME = r"(?:<[^>]+>|[A-Za-z]+)"
TIME = r"([-+]?\d+(?::\d+){0,2})"
DATE = rf"M(\d+)\.(\d)\.(\d)(?:/{TIME})?"


def seconds(text):
    sign = -1 if text.startswith("-") else 1
    parts = [int(part) for part in text.lstrip("+-").split(":")] + [0, 0]
    return sign * (parts[0] * 3600 + parts[1] * 60 + parts[2])


def rule(posix):
    """Standard offset, summer's offset, and month, week, day of week and time of both changes."""
    found = re.fullmatch(rf"{NAME}{TIME}(?:{NAME}{TIME}?,{DATE},{DATE})?", posix)
    assert found, posix
    standard, summer, *dates = found.groups()
    offset = -seconds(standard)
    if dates[0] is None:
        return f"{{{offset}, {offset}, {{0}}, {{0}}}}"
    summer = -seconds(summer) if summer else offset + 3600
    begin, end = (f"{{{m}, {w}, {d}, {seconds(t or '2')}}}" for m, w, d, t in (dates[:4], dates[4:]))
    return f"{{{offset}, {summer}, {begin}, {end}}}"


def main():
    print("// Changes of the clocks, written by zones.py. Do not edit.\n")
    print('#include "zones.h"\n')
    zones = []
    for name in ZONES:
        first, changes, after = read(name)
        symbol = re.sub(r"\W", "_", name).lower()
        if changes:
            print(f"static const struct change {symbol}[] = {{")
            for at in range(0, len(changes), 5):
                print("    " + " ".join(f"{{{instant}, {offset}}}," for instant, offset in changes[at : at + 5]))
            print("};\n")
        zones.append(f'    {{"{name}", {first}, {symbol if changes else "0"}, {len(changes)}, {after}}},')
    print("const struct zone zones[] = {", *zones, "};", sep="\n")
    print("const size_t zones_count = sizeof zones / sizeof *zones;")


if __name__ == "__main__":
    sys.exit(main())
