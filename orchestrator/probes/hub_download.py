"""List and download a repository with its hub's own library, in a process of its own.

A process of its own because huggingface_hub and modelscope read their settings when they are imported, and
because a download must be killable. Imports nothing of Conch but the file beside it, so that the Python of
any environment can run it.

Standard input: one JSON line {"hub", "repo", "kind": "model" | "dataset", "revision"}; later, when the caller
has chosen what to take, lines {"into": folder, "files": [paths]}, each answered before the next. The end of
standard input means that the caller is done or gone, and then this ends at once.
Standard output: one JSON line {"event": "listed", "revision", "files": [{"path", "size", "sha256", "git"}]},
then {"event": "done"} for each order; or {"event": "failed", "kind", "status", "what"} at any time.
"""

from __future__ import annotations

import glob
import json
import os
import queue
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import compress
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from hub_failures import explain

# Small, so that a slow link shows progress: the library writes only whole chunks to the file.
CHUNK = 64 * 1024
WORKERS = 4
PAGE, PAGE_LIMIT = 200, 20_000
COMMIT = re.compile(r"[0-9a-f]{40}")


def say(**event: Any) -> None:
    """One event for the caller."""
    sys.__stdout__.write(json.dumps(event) + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


class RevisionNotFoundError(Exception):
    """ModelScope's way of saying it is an empty listing; named like huggingface_hub's."""


class HuggingFace:
    """The Hugging Face protocol, wherever HF_ENDPOINT points."""

    def __init__(self, request: dict[str, str]) -> None:
        from huggingface_hub import HfApi, constants

        if hasattr(constants, "DOWNLOAD_CHUNK_SIZE"):
            constants.DOWNLOAD_CHUNK_SIZE = CHUNK
        self.request = request
        self.api = HfApi()
        self.large: dict[str, int] = {}

    def listing(self) -> tuple[str, list[dict[str, Any]]]:
        """The commit behind the revision, and every file at that commit."""
        from huggingface_hub.hf_api import RepoFile

        repo, kind = self.request["repo"], self.request["kind"]
        revision = self.request["revision"]
        if not COMMIT.fullmatch(revision):
            revision = self.api.repo_info(repo, repo_type=kind, revision=revision or None).sha or ""
        files = []
        for entry in self.api.list_repo_tree(repo, repo_type=kind, revision=revision, recursive=True):
            if not isinstance(entry, RepoFile):
                continue
            sha256 = entry.lfs.sha256 if entry.lfs else ""
            if sha256:
                self.large[entry.path] = entry.size
            files.append(
                {
                    "path": entry.path,
                    "size": entry.size,
                    "sha256": sha256,
                    "git": "" if sha256 else entry.blob_id,
                }
            )
        return revision, files

    def download(self, revision: str, into: str, files: list[str]) -> None:
        """Those files at that commit, into that folder."""
        from huggingface_hub import snapshot_download

        with ThreadPoolExecutor(WORKERS) as pool:
            done = set(compress(files, pool.map(lambda path: self._go_on(revision, into, path), files)))
        rest = [glob.escape(path) for path in files if path not in done]
        if rest:
            snapshot_download(
                self.request["repo"],
                repo_type=self.request["kind"],
                revision=revision,
                local_dir=into,
                allow_patterns=rest,
                max_workers=WORKERS,
            )

    def _go_on(self, revision: str, into: str, path: str) -> bool:
        """Bring one large file, going on where a killed download stopped; False leaves it to the library.

        snapshot_download starts a file anew in every process, and a shard is hours on a slow line. The caller
        checks the sha256. Xet has a protocol of its own and keeps to the library.
        """
        if path not in self.large or Path(into, path).exists():
            return Path(into, path).exists() and path in self.large
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils._headers import build_hf_headers

        url = hf_hub_url(self.request["repo"], path, repo_type=self.request["kind"], revision=revision)
        found = get_hf_file_metadata(url)
        if found.xet_file_data is not None and not os.environ.get("HF_HUB_DISABLE_XET"):
            return False
        headers = build_hf_headers()
        if urlsplit(found.location).netloc != urlsplit(url).netloc:
            headers.pop("authorization", None)  # a storage's signed address; the token is the hub's alone
        piece = Path(into, f"{path}.part")
        piece.parent.mkdir(parents=True, exist_ok=True)
        with piece.open("ab") as file:
            if file.tell() > self.large[path]:
                file.truncate(0)
            http_get(
                found.location, file, resume_size=file.tell(), headers=headers, expected_size=self.large[path]
            )
        piece.replace(Path(into, path))
        return True


class ModelScope:
    """ModelScope's protocol, wherever MODELSCOPE_ENDPOINT points."""

    def __init__(self, request: dict[str, str]) -> None:
        from modelscope_hub.api import HubApi
        from modelscope_hub.config import HubConfig

        self.config = HubConfig()
        self.api = HubApi(token=self.config.token, endpoint=self.config.endpoint)
        self.request = request
        # Its default branch has another name; recipes are written for the other hub.
        self.revision = "master" if request["revision"] in {"", "main"} else request["revision"]

    def listing(self) -> tuple[str, list[dict[str, Any]]]:
        """The commit behind the revision, and every file there. An unknown revision has no files."""
        body = self._tree()
        entries = body.get("Files") or []
        blobs = [entry for entry in entries if entry.get("Type", "blob") != "tree"]
        if not blobs:
            raise RevisionNotFoundError(f"no revision {self.revision}")
        files = [
            {"path": entry["Path"], "size": entry["Size"], "sha256": entry.get("Sha256") or "", "git": ""}
            for entry in blobs
        ]
        return self._commit(body.get("LatestCommitter") or {}, blobs), files

    def _tree(self) -> dict[str, Any]:
        """A recursive listing: the library's own call leaves the commit out."""
        body = self._page(1)
        number, rows = 1, body.get("Files") or []
        # A model's listing comes whole, a data set's in pages.
        while self.request["kind"] == "dataset" and len(rows) == PAGE * number < PAGE_LIMIT:
            number += 1
            rows = rows + (self._page(number).get("Files") or [])
        return {**body, "Files": rows}

    def _page(self, number: int) -> dict[str, Any]:
        import requests
        from modelscope_hub.errors import raise_for_status

        kind, repo = self.request["kind"], self.request["repo"]
        token = self.config.token
        response = requests.get(
            f"{self.config.endpoint}/api/v1/{kind}s/{repo}/repo/{'files' if kind == 'model' else 'tree'}",
            params={"Revision": self.revision, "Recursive": "True", "PageNumber": number, "PageSize": PAGE},
            headers={"Authorization": f"Bearer {token}"} if token else {},
            cookies={"m_session_id": token} if token else {},
            timeout=30,
        )
        raise_for_status(response)
        data = response.json().get("Data") or {}
        return data if isinstance(data, dict) else {"Files": data}

    def _commit(self, committer: dict[str, Any], blobs: list[dict[str, Any]]) -> str:
        """The head commit: said outright, or found by its short form, or that of the newest file."""
        if COMMIT.fullmatch(self.revision):
            return self.revision
        if COMMIT.fullmatch(committer.get("Id") or ""):
            return str(committer["Id"])
        short = committer.get("ShortId") or "-"
        known = [str(entry.get("Revision") or "") for entry in blobs]
        newest = max(blobs, key=lambda entry: entry.get("CommittedDate") or 0)
        return next((one for one in known if one.startswith(short)), str(newest.get("Revision") or ""))

    def download(self, revision: str, into: str, files: list[str]) -> None:
        """Those files, into that folder; the library checks each against the listing's sha256."""
        from modelscope_hub.compat.snapshot_download import snapshot_download

        snapshot_download(
            self.request["repo"],
            repo_type=self.request["kind"],
            revision=revision or self.revision,
            local_dir=into,
            cache_dir=str(Path(into, ".cache", "modelscope")),
            endpoint=self.config.endpoint,
            token=self.config.token,
            allow_patterns=[glob.escape(path) for path in files],
        )


HUBS: dict[str, type[HuggingFace | ModelScope]] = {"huggingface": HuggingFace, "modelscope": ModelScope}


def orders() -> Iterator[dict[str, Any]]:
    """What the caller wants, one by one. When it is done or gone, this process ends, busy or not."""
    waiting: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            waiting.put(line)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        yield json.loads(waiting.get())


def run() -> NoReturn:
    """Serve the orders of one request."""
    asked = orders()
    request = next(asked)
    hub = HUBS[request["hub"]](request)
    revision, files = hub.listing()
    say(event="listed", revision=revision, files=files)
    while True:
        order = next(asked)
        hub.download(revision, order["into"], order["files"])
        say(event="done")


def main() -> NoReturn:
    """The script: every failure becomes an event."""
    sys.stdout = sys.stderr  # the libraries print; our events go to the real one
    try:
        run()
    except Exception as error:  # noqa: BLE001  every failure is told to the caller, in its words
        say(event="failed", **explain(error))
        os._exit(1)


if __name__ == "__main__":
    main()
