"""ModelScope's protocol, wherever MODELSCOPE_ENDPOINT points. Loaded by download.py."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import Any

PAGE, PAGE_LIMIT = 200, 20_000
COMMIT = re.compile(r"[0-9a-f]{40}")


class RevisionNotFoundError(Exception):
    """ModelScope answers an unknown revision with an empty listing; named like huggingface_hub's error."""


def keep_token_here() -> None:
    """Send no cookie after a redirect to another host: requests drops the Authorization header only."""
    import requests

    original = requests.Session.rebuild_auth

    def rebuild_auth(session: Any, prepared: Any, response: Any) -> None:
        original(session, prepared, response)
        if session.should_strip_auth(response.request.url, prepared.url):
            prepared.headers.pop("Cookie", None)

    requests.Session.rebuild_auth = rebuild_auth


class Client:
    """See download.Client."""

    def __init__(self, request: dict[str, str]) -> None:
        keep_token_here()
        from modelscope_hub.api import HubApi
        from modelscope_hub.config import HubConfig

        self.config = HubConfig()
        self.api = HubApi(token=self.config.token, endpoint=self.config.endpoint)
        self.repo, self.kind = request["repo"], request["kind"]
        # Its default branch is master, while recipes are written for the other hub.
        self.revision = "master" if request["revision"] in {"", "main"} else request["revision"]

    def listing(self) -> tuple[str, list[dict[str, str | int]]]:
        """The commit behind the revision, and every file there."""
        body = self._tree()
        blobs = [entry for entry in body["Files"] if entry.get("Type", "blob") != "tree"]
        if not blobs:
            raise RevisionNotFoundError(f"no revision {self.revision}")
        files: list[dict[str, str | int]] = [
            {"path": entry["Path"], "size": entry["Size"], "sha256": entry.get("Sha256") or "", "git": ""}
            for entry in blobs
        ]
        return self._commit(body.get("LatestCommitter") or {}, blobs), files

    def _tree(self) -> dict[str, Any]:
        """A recursive listing: the library's own call leaves the commit out."""
        body = self._page(1)
        number, rows = 1, body.get("Files") or []
        # A model's listing comes whole, a dataset's in pages.
        while self.kind == "dataset" and len(rows) == PAGE * number < PAGE_LIMIT:
            number += 1
            rows = rows + (self._page(number).get("Files") or [])
        return {**body, "Files": rows}

    def _page(self, number: int) -> dict[str, Any]:
        import requests
        from modelscope_hub.errors import raise_for_status

        token = self.config.token
        folder = "files" if self.kind == "model" else "tree"
        response = requests.get(
            f"{self.config.endpoint}/api/v1/{self.kind}s/{self.repo}/repo/{folder}",
            params={"Revision": self.revision, "Recursive": "True", "PageNumber": number, "PageSize": PAGE},
            headers={"Authorization": f"Bearer {token}"} if token else {},
            cookies={"m_session_id": token} if token else {},
            timeout=30,
        )
        raise_for_status(response)
        data = response.json().get("Data") or {}
        return data if isinstance(data, dict) else {"Files": data}

    def _commit(self, committer: dict[str, Any], blobs: list[dict[str, Any]]) -> str:
        """The head commit: given in full, or found by its short form, or that of the newest file."""
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
            self.repo,
            repo_type=self.kind,
            revision=revision or self.revision,
            local_dir=into,
            cache_dir=str(Path(into, ".cache", "modelscope")),
            endpoint=self.config.endpoint,
            token=self.config.token,
            allow_patterns=[glob.escape(path) for path in files],
        )
