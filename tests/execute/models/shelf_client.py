"""The client of a hub that is a folder: FOLDER/OWNER/NAME. Run by probes/hubs/download.py in a test."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit


class Client:
    """See probes/hubs/download.py."""

    def __init__(self, request: dict[str, str]) -> None:
        self.folder = Path(urlsplit(os.environ["SHELF_ENDPOINT"]).path, request["repo"])

    def listing(self) -> tuple[str, list[dict[str, str | int]]]:
        """Every file, at the only commit there is."""
        files = sorted(path for path in self.folder.iterdir() if path.is_file())
        return "e" * 40, [
            {
                "path": path.name,
                "size": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "git": "",
            }
            for path in files
        ]

    def download(self, revision: str, into: str, files: list[str]) -> None:
        """Copies."""
        assert revision == "e" * 40
        for name in files:
            shutil.copyfile(self.folder / name, Path(into, name))
