"""What of Python does not work in a plugin, told as an exception with the author's line rather than as a trap: files, modules
that were not imported at build time, clocks. And what works in another way: `print` and `logging` go to the host's log.

Everything is as usual until `seal`, which the first call of the host does: modules are imported at build time.
"""

from __future__ import annotations

import logging
import sys
import time
import types
from typing import Any

_NO_FILES = "a plugin has no files: read them at the top of the module, which is run at build time"
_NO_ZONES = "a plugin has no files, and time zones are files: take them from millstream.zones"
_NO_CLOCK = "a plugin has no clock: read the column `_timestamp` or `_event_time`"
_REFUSED = {
    "open": _NO_FILES, "os.listdir": _NO_FILES, "os.scandir": _NO_FILES, "socket.__new__": "a plugin has no sockets: use millstream.http",
    "subprocess.Popen": "a plugin starts no programs", "time.sleep": "a plugin does not sleep",
    "_thread.start_new_thread": "a plugin has one thread",
}
# Modules that the library itself imports when it is asked for something.
_NOT_IMPORTED = {"importlib.resources": _NO_ZONES, "tzdata": _NO_ZONES}
_LEVELS = (("DEBUG", logging.DEBUG), ("INFO", logging.INFO), ("WARN", logging.WARNING), ("ERROR", logging.ERROR))

_host: Any = None


def prepare() -> None:
    """Puts the guards in place; they let everything pass until `seal`."""
    sys.addaudithook(_audit)
    clocks = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "localtime", "gmtime")
    # A record of `logging` states its time; the host's log has its own.
    logging.time = types.SimpleNamespace(**{name: getattr(time, name) for name in clocks}, strftime=time.strftime)
    logging.time.time_ns, logging.time.time = (lambda: 0), (lambda: 0.0)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = logging.logAsyncioTasks = False
    for name in clocks:
        setattr(time, name, _guarded(getattr(time, name), _NO_CLOCK))
    logging.getLogger().addHandler(_ToHost())


def seal(host: Any) -> None:
    """From now on nothing but the host can be reached."""
    global _host
    if _host is None:
        _host = host
        sys.stdout, sys.stderr = _Lines("INFO"), _Lines("WARN")
        if "zoneinfo" in sys.modules:
            sys.modules["zoneinfo"].reset_tzpath(())
        heed_level()


def heed_level() -> None:
    """Lets `logging` skip what the host would not show."""
    level = next((number for name, number in _LEVELS if _host.logs(name)), logging.CRITICAL)
    if logging.getLogger().level != level:
        logging.getLogger().setLevel(level)


def _audit(event: str, arguments: tuple) -> None:
    if _host is None:
        return
    if event in _REFUSED:
        raise RuntimeError(_REFUSED[event])
    if event == "import":
        late = f"import {arguments[0]}: import it at the top of the module, which is run at build time"
        raise RuntimeError(_NOT_IMPORTED.get(arguments[0], late))


def _guarded(function: Any, reason: str) -> Any:
    def guarded(*arguments: Any) -> Any:
        if _host is not None:
            raise RuntimeError(reason)
        return function(*arguments)

    return guarded


class _ToHost(logging.Handler):
    """Hands records of `logging` to the host's log, without tracebacks: their lines of source are files."""

    def emit(self, record: logging.LogRecord) -> None:
        if _host is None:
            return
        message = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            message = f"{message}: {type(error).__name__}: {error}"
        level = next(name for name, number in reversed(_LEVELS) if record.levelno >= number or name == "DEBUG")
        _host.log(level, message)


class _Lines:
    """What is printed, line by line to the host's log."""

    def __init__(self, level: str):
        self._level, self._rest = level, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line and _host.logs(self._level):
                _host.log(self._level, line)
        return len(text)

    def flush(self) -> None:
        pass
