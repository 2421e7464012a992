"""Numbers about the work, shown by the host beside its own. Like all effects they count only if the call succeeds, so
they are gathered here and handed over once at its end.
"""

from __future__ import annotations

from . import host

__all__ = ["Counter", "Gauge"]

_counted: dict = {}
_gauged: dict = {}


class Counter:
    """A count that only rises."""

    def __init__(self, name: str):
        self.name = name

    def add(self, n: int = 1) -> None:
        """Adds `n`, which is not negative."""
        if n < 0:
            raise ValueError(f"counter `{self.name}` only rises, not by {n}")
        _counted[self.name] = _counted.get(self.name, 0) + n


class Gauge:
    """A value that rises and falls."""

    def __init__(self, name: str):
        self.name = name

    def set(self, value: float) -> None:
        """Sets the value."""
        _gauged[self.name] = float(value)


def flush() -> None:
    """Hands over what the call counted."""
    for name, n in _counted.items():
        host.current.count(name, n)
    for name, value in _gauged.items():
        host.current.gauge(name, value)
    forget()


def forget() -> None:
    """Forgets what the call counted."""
    _counted.clear()
    _gauged.clear()
