"""Time zones in a plugin. It has no files, so the zones of the package `tzdata` are taken in when this module is imported, at
build time: `dependencies = ["tzdata"]` in `pyproject.toml`.
"""

from __future__ import annotations

import io
from importlib import resources
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["zone"]


def _taken_in() -> dict:
    try:
        package = resources.files("tzdata")
    except ModuleNotFoundError:
        raise ImportError('time zones need tzdata: write dependencies = ["tzdata"] in pyproject.toml') from None
    names = package.joinpath("zones").read_text(encoding="utf-8").split()
    return {name.lower(): (name, package.joinpath("zoneinfo", *name.split("/")).read_bytes()) for name in names}


_ZONES = _taken_in()


def zone(name: str) -> ZoneInfo:
    """The zone of an IANA name, as `Europe/London`; its case does not count. Raises ZoneInfoNotFoundError."""
    try:
        name, data = _ZONES[name.lower()]
    except KeyError:
        raise ZoneInfoNotFoundError(f"no time zone is called {name}") from None
    return ZoneInfo.from_file(io.BytesIO(data), name)
