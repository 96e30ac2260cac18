"""Whether a browser can be shown to whoever typed the command."""

from __future__ import annotations

import os
import sys

# A display, a browser that was named, or Windows around a Linux.
_SHOWS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME")


def has_screen() -> bool:
    """False over ssh without a display, in a container, on a server."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in _SHOWS)
