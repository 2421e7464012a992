"""What an author's function says: of a row by returning or raising, of a batch by raising."""

import typing

__all__ = ["DROP", "BadBatch", "ConfigError", "Fatal", "Reject", "Retry"]


class _Drop:
    def __repr__(self) -> str:
        return "DROP"


DROP = _Drop()
"""Returned for a row: it ends here, and is counted."""


class Reject(Exception):
    """Returned or raised for a row: it becomes a dead letter with this reason.

    Reasons are counted one by one, so they say what is wrong with which column and do not contain the row's values.
    """

    if typing.TYPE_CHECKING:

        def __init__(self, reason: str) -> None: ...

    # `Exception` keeps what it is made of: a constructor in Python would be the dearest part of a rejection.
    @property
    def reason(self) -> str:
        """What is wrong. Raises TypeError, at the line that raised the rejection, if it has no reason or several."""
        if len(self.args) != 1:
            raise TypeError("Reject takes one reason").with_traceback(self.__traceback__)
        return self.args[0]


class Retry(Exception):
    """Raised for a batch: something transient failed; the host tries the batch again a few times."""


class BadBatch(Exception):
    """Raised for a batch: some row is at fault, and the host looks for it. Every other exception means the same, and
    is told with its line."""


class Fatal(Exception):
    """Raised for a batch: this version cannot go on. The step stops; the pipeline does not."""


class ConfigError(Exception):
    """Raised by `configure`: what is wrong with the configuration, by the path of the key.

        raise ConfigError({"zone": "no such zone", "limits.speed": "must be above 0"})
    """

    def __init__(self, problems: dict):
        super().__init__("; ".join(f"{path}: {message}" for path, message in problems.items()))
        self.problems = dict(problems)
