"""Requests to servers, made by the host. A plugin may ask only what `[grants.http]` in the file beside it names, and never
sees the credentials that the host adds. `pyproject.toml` says so: `[tool.millstream]` has `world = "transform-with-http"`.

A call may be repeated, so a server may see a request more than once. Natively `testing.run(..., server=...)` stands in for the
servers.

    class Owner(Transform):
        def prepare(self, rows: list[Car]) -> None:
            requests = [Request.get(f"https://cars.example/{row.plate}") for row in rows]
            self.owners = [answer.success() for answer in send_many(requests)]
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Iterable, Optional, Union

from . import host
from .verdict import BadBatch, Retry

__all__ = ["Failure", "Request", "Response", "send", "send_many"]


@dataclass(frozen=True)
class Request:
    """`method` and `url` as in HTTP; names of headers may have any case."""

    method: str
    url: str
    headers: tuple = ()
    body: bytes = b""

    @classmethod
    def get(cls, url: str) -> Request:
        return cls("GET", url)

    @classmethod
    def post(cls, url: str, body: bytes) -> Request:
        return cls("POST", url, body=body)

    def header(self, name: str, value: str) -> Request:
        """The same with one more header."""
        return replace(self, headers=(*self.headers, (name, value)))


@dataclass(frozen=True)
class Response:
    """An answer of any status. Names of headers are in lower case; the body is as it was sent."""

    status: int
    headers: tuple = field(default=())
    body: bytes = b""

    def header(self, name: str) -> Optional[str]:
        """The first header of this name, in lower case."""
        return next((value for known, value in self.headers if known == name), None)

    def success(self) -> bytes:
        """The body, if the status is one of success. Raises Retry if the server says that it is busy or broken, else
        BadBatch."""
        if 200 <= self.status < 300:
            return self.body
        error = Retry if self.status in (408, 429) or self.status >= 500 else BadBatch
        raise error(f"the server answered {self.status}")


class Failure(Exception):
    """No answer. `kind`: `denied`, `timeout`, `too-large` or `failed`."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind

    def success(self) -> bytes:
        """Raises what a batch that needed the answer raises: Retry where another try may do, else BadBatch."""
        raise (Retry if self.kind in ("timeout", "failed") else BadBatch)(str(self))


def send(request: Request) -> Response:
    """Sends a request and waits. Raises Failure. For the rows of a batch `send_many` waits once."""
    (answer,) = send_many([request])
    if isinstance(answer, Failure):
        raise answer
    return answer


def send_many(requests: Iterable[Request]) -> list[Union[Response, Failure]]:
    """Sends all and waits until each is answered or has failed; a response or a `Failure` for each, in their order."""
    return host.current.send_many(list(requests))
