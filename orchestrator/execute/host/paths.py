"""Where Conch keeps what clones share: environments and models."""

from __future__ import annotations

import os
from pathlib import Path


def conch_home() -> Path:
    """CONCH_HOME, else the platform's folder for user data; it need not exist."""
    chosen = os.environ.get("CONCH_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("conch", appauthor=False)
