"""The host, as far as a plugin sees it beside its batches: metrics and servers. In a component it is the real one; natively
metrics are kept for tests and no server answers unless a test says so.
"""

from __future__ import annotations

from typing import Any, Callable, Optional


class Native:
    """Stands in for the host outside of a component."""

    def __init__(self) -> None:
        self.counters: dict = {}
        self.gauges: dict = {}
        self.server: Optional[Callable] = None

    def count(self, name: str, n: int) -> None:
        self.counters[name] = self.counters.get(name, 0) + n

    def gauge(self, name: str, value: float) -> None:
        self.gauges[name] = value

    def send_many(self, requests: list) -> list:
        """A response or a `Failure` for each."""
        from .http import Failure

        if self.server is None:
            return [Failure("failed", "no server in this test: see testing.run(..., server=)") for _ in requests]
        answers = []
        for request in requests:
            try:
                answers.append(self.server(request))
            except Failure as failure:
                answers.append(failure)
        return answers


current: Any = Native()
"""The host in use."""
