"""Where an exception comes from: the author's file and line, not the SDK's. The host keeps 256 bytes of it, so the
place stands first. Sources are not read for this: a plugin has no files.
"""

from __future__ import annotations

import os
import sysconfig
from typing import Any

_SDK = os.path.dirname(os.path.abspath(__file__))
_OTHERS = (_SDK, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), "<")


def describe(error: BaseException, function: Any) -> str:
    """`plugin.py:12: ValueError: message`: the innermost line of the author's.

    If there is none, as where a value does not fit its column, the line of `function`.
    """
    code = function.__code__
    root = os.path.dirname(code.co_filename)
    file, line = code.co_filename, code.co_firstlineno
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name.startswith(root) and not name.startswith(_OTHERS):
            file, line = name, trace.tb_lineno
        trace = trace.tb_next
    return f"{os.path.relpath(file, root)}:{line}: {type(error).__name__}: {error}"
