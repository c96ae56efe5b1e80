"""Where an error came up, as its user would look for it."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path
from typing import Final

OURS: Final = str(Path(__file__).parents[1])
STANDARD: Final = (sysconfig.get_path("stdlib"), "<frozen")
"""Where the code of this package lies, and of Python with its import system."""


def place_of(error: BaseException) -> str:
    """The file and line in brackets: the last that is neither this package's nor the standard library's, if any."""
    frames = traceback.extract_tb(error.__traceback__)
    users = [frame for frame in frames if is_the_users(frame.filename)]
    return "".join(f" ({frame.filename}:{frame.lineno})" for frame in (users or frames)[-1:])


def is_the_users(file: str) -> bool:
    """Whether a file is the user's, or of a package that the user installed."""
    return not file.startswith(OURS) and ("site-packages" in file or not file.startswith(STANDARD))
