"""Where Conch keeps what clones share: environments and models."""

from __future__ import annotations

import os
from pathlib import Path


def conch_home() -> Path:
    """CONCH_HOME, otherwise the platform's folder for user data; it may not exist yet."""
    chosen = os.environ.get("CONCH_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("conch", appauthor=False)
