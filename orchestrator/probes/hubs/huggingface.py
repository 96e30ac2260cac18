"""The Hugging Face protocol, wherever HF_ENDPOINT points. Loaded by download.py."""

from __future__ import annotations

import glob
import os
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import compress
from pathlib import Path
from urllib.parse import urlsplit

# Small, so that a slow link shows progress: the library writes only whole chunks to the file.
CHUNK = 64 * 1024
WORKERS = 4
COMMIT = re.compile(r"[0-9a-f]{40}")


class Client:
    """See download.Client."""

    def __init__(self, request: dict[str, str]) -> None:
        from huggingface_hub import HfApi, constants

        if hasattr(constants, "DOWNLOAD_CHUNK_SIZE"):
            constants.DOWNLOAD_CHUNK_SIZE = CHUNK
        self.repo, self.kind, self.revision = request["repo"], request["kind"], request["revision"]
        self.api = HfApi()
        self.large: dict[str, int] = {}

    def listing(self) -> tuple[str, list[dict[str, str | int]]]:
        """The commit behind the revision, and every file at that commit."""
        from huggingface_hub.hf_api import RepoFile

        revision = self.revision
        if not COMMIT.fullmatch(revision):
            revision = self.api.repo_info(self.repo, repo_type=self.kind, revision=revision or None).sha or ""
        entries = self.api.list_repo_tree(self.repo, repo_type=self.kind, revision=revision, recursive=True)
        blobs = [entry for entry in entries if isinstance(entry, RepoFile)]
        self.large = {entry.path: entry.size for entry in blobs if entry.lfs}
        return revision, [
            {
                "path": entry.path,
                "size": entry.size,
                "sha256": entry.lfs.sha256 if entry.lfs else "",
                "git": "" if entry.lfs else entry.blob_id,
            }
            for entry in blobs
        ]

    def download(self, revision: str, into: str, files: list[str]) -> None:
        """Those files at that commit, into that folder."""
        from huggingface_hub import snapshot_download

        with ThreadPoolExecutor(WORKERS) as pool:
            done = set(compress(files, pool.map(lambda path: self._resume(revision, into, path), files)))
        rest = [glob.escape(path) for path in files if path not in done]
        if rest:
            snapshot_download(
                self.repo,
                repo_type=self.kind,
                revision=revision,
                local_dir=into,
                allow_patterns=rest,
                max_workers=WORKERS,
            )

    def _resume(self, revision: str, into: str, path: str) -> bool:
        """Download one large file from where a killed download stopped; False leaves it to the library.

        snapshot_download restarts a file in every process (huggingface_hub 1.33), and a shard takes hours on
        a slow line. The caller checks the sha256. Xet has a protocol of its own and is left to the library.
        """
        target = Path(into, path)
        if path not in self.large or target.exists():
            return path in self.large
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils._headers import build_hf_headers

        url = hf_hub_url(self.repo, path, repo_type=self.kind, revision=revision)
        metadata = get_hf_file_metadata(url)
        if metadata.xet_file_data is not None and not os.environ.get("HF_HUB_DISABLE_XET"):
            return False
        headers = build_hf_headers()
        if urlsplit(metadata.location).netloc != urlsplit(url).netloc:
            headers.pop("authorization", None)  # a storage's signed address: the token is for the hub only
        part = Path(f"{target}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        size = self.large[path]
        with part.open("ab") as file:
            if file.tell() > size:
                file.truncate(0)
            http_get(metadata.location, file, resume_size=file.tell(), headers=headers, expected_size=size)
        part.replace(target)
        return True
