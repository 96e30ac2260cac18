"""A model hub on the loopback interface that speaks the protocols of Hugging Face and of ModelScope.

As much of each as the real huggingface_hub and modelscope need to resolve a revision, list a repository and
download it with resumption; and switches for what hubs do wrong.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

BIG = 1000  # files from this size on are "LFS": listed with their sha256
PIECE = 16 * 1024


def git_hash(content: bytes) -> str:
    """What git calls a blob of this content."""
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


@dataclass
class Repository:
    """One repository at one commit."""

    files: dict[str, bytes]
    commit: str = "c" * 40
    branches: tuple[str, ...] = ("main", "master")
    sha256: dict[str, str] = field(default_factory=dict)  # lies about a file's hash

    def knows(self, revision: str) -> bool:
        return revision in (*self.branches, self.commit)

    def listed_sha256(self, path: str) -> str:
        return self.sha256.get(path) or hashlib.sha256(self.files[path]).hexdigest()


@dataclass
class Hub:
    """The server's state; tests change it while it runs."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    status: int = 0  # answer everything so
    error_code: str = ""
    file_status: int = 0  # answer requests for file contents so
    seconds_per_piece: float = 0.0
    piece: int = PIECE
    moved: bool = False  # every GET is redirected to another host
    storage: bool = False  # large files are redirected to another host, as huggingface.co does
    cut_after: dict[str, int] = field(default_factory=dict)  # path: bytes, once
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def with_token(self) -> list[str]:
        """The hosts of the requests that showed an access token."""
        shown = [{name.lower(): value for name, value in sent.items()} for _, _, sent in self.requests]
        return [one["host"].split(":")[0] for one in shown if "CANARY" in str(one)]

    def asked(self, text: str, method: str = "") -> list[tuple[str, str, dict[str, str]]]:
        """The requests so far whose path holds a text."""
        return [one for one in self.requests if text in one[1] and method in ("", one[0])]


@contextmanager
def serve() -> Iterator[Hub]:
    """Run a hub on a free port."""
    hub = Hub()

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that was killed is no news."""

    class Handler(_Handler):
        state = hub

    server = Server(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    state: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing: the tests read Hub.requests."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        self.state.requests.append((self.command, self.path, dict(self.headers.items())))
        if self.state.status:
            self._refuse(self.state.status, self.state.error_code)
            return
        if self.state.moved and self.command == "GET" and self.headers["Host"].startswith("127.0.0.1"):
            self._redirect(self.state.url.replace("127.0.0.1", "localhost") + self.path, {})
            return
        words = [unquote(word) for word in parts.path.strip("/").split("/")]
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if words[:2] == ["api", "v1"]:
            self._modelscope(words[2:], query)
        elif words[0] == "api":
            self._huggingface_api(words[1:])
        elif words[0] == "storage":
            path = "/".join(words[3:])
            self._content(path, self.state.repositories["/".join(words[1:3])].files[path], {})
        else:
            self._huggingface_file(words)

    # --- Hugging Face: /api/models/OWNER/NAME/{revision,tree}/REV and /OWNER/NAME/resolve/REV/PATH

    def _huggingface_api(self, words: list[str]) -> None:
        repository = self.state.repositories.get("/".join(words[1:3]))
        if repository is None:
            self._refuse(404, "RepoNotFound")
            return
        what, revision = (words[3], words[4]) if len(words) > 4 else ("revision", "main")
        if not repository.knows(revision):
            self._refuse(404, "RevisionNotFound")
        elif what == "revision":
            siblings = [{"rfilename": path} for path in repository.files]
            self._json(
                {"id": "/".join(words[1:3]), "sha": repository.commit, "siblings": siblings, "tags": []}
            )
        else:
            self._json([_huggingface_entry(repository, path) for path in repository.files])

    def _huggingface_file(self, words: list[str]) -> None:
        words = words[1:] if words[0] == "datasets" else words
        repository = self.state.repositories.get("/".join(words[:2]))
        path = "/".join(words[4:])
        if repository is None or words[2] != "resolve" or not repository.knows(words[3]):
            self._refuse(404, "RepoNotFound")
        elif path not in repository.files:
            self._refuse(404, "EntryNotFound")
        else:
            content = repository.files[path]
            headers = {"X-Repo-Commit": repository.commit, "ETag": f'"{git_hash(content)}"'}
            if len(content) >= BIG:
                headers["X-Linked-Etag"] = f'"{repository.listed_sha256(path)}"'
                headers["X-Linked-Size"] = str(len(content))
            if self.state.storage and len(content) >= BIG:
                place = self.state.url.replace("127.0.0.1", "localhost")
                self._redirect(f"{place}/storage/{'/'.join(words[:2])}/{path}", headers)
                return
            self._content(path, content, headers)

    def _redirect(self, to: str, headers: dict[str, str]) -> None:
        self.send_response(302)
        for name, value in {**headers, "Location": to, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    # --- ModelScope: /api/v1/models/OWNER/NAME/repo/files and /api/v1/models/OWNER/NAME/repo?FilePath=

    def _modelscope(self, words: list[str], query: dict[str, str]) -> None:
        repository = self.state.repositories.get("/".join(words[1:3]))
        if repository is None:
            self._refuse(404, "")
            return
        known = repository.knows(query.get("Revision", "master"))
        if words[3:] in (["repo", "files"], ["repo", "tree"]):
            root = query.get("Root", "").strip("/")
            inside = [path for path in repository.files if path.startswith(f"{root}/" if root else "")]
            # An unknown revision is no error there, but a repository without files.
            files = [_modelscope_entry(repository, path) for path in inside] if known else None
            if files and words[4] == "tree":
                size, number = int(query["PageSize"]), int(query["PageNumber"])
                files = files[size * (number - 1) : size * number]
            committer = {"Id": "", "ShortId": repository.commit[:8]} if known else None
            self._json({"Code": 200, "Success": True, "Data": {"Files": files, "LatestCommitter": committer}})
        elif words[3:] == ["repo"] and known and query.get("FilePath") in repository.files:
            self._content(query["FilePath"], repository.files[query["FilePath"]], {})
        else:
            self._refuse(404, "")

    # --- both

    def _content(self, path: str, content: bytes, headers: dict[str, str]) -> None:
        if self.state.file_status and self.command == "GET":
            self._refuse(self.state.file_status, "")
            return
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if "Range" in self.headers else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Range" in self.headers:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.command == "GET":
            self._trickle(content[start:], self.state.cut_after.pop(path, len(content)))

    def _trickle(self, content: bytes, until: int) -> None:
        for at in range(0, min(len(content), until), self.state.piece):
            self.wfile.write(content[at : min(at + self.state.piece, until)])
            self.wfile.flush()
            if self.state.seconds_per_piece:
                time.sleep(self.state.seconds_per_piece)
        if until < len(content):
            self.close_connection = True

    def _json(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        body = json.dumps({"error": code, "Code": status, "Message": code, "Success": False}).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _huggingface_entry(repository: Repository, path: str) -> dict[str, Any]:
    content = repository.files[path]
    entry: dict[str, Any] = {"type": "file", "oid": git_hash(content), "size": len(content), "path": path}
    if len(content) >= BIG:
        entry["lfs"] = {"oid": repository.listed_sha256(path), "size": len(content), "pointerSize": 134}
    return entry


def _modelscope_entry(repository: Repository, path: str) -> dict[str, Any]:
    content = repository.files[path]
    return {
        "Path": path,
        "Name": path.rsplit("/", 1)[-1],
        "Type": "blob",
        "Size": len(content),
        "Sha256": repository.listed_sha256(path),
        "Revision": repository.commit,
        "CommittedDate": 1,
    }


def safetensors(tensors: dict[str, int]) -> bytes:
    """A safetensors file of float32 vectors: name → length."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, length in tensors.items():
        header[name] = {"dtype": "F32", "shape": [length], "data_offsets": [end, end + 4 * length]}
        end += 4 * length
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"\1" * end


def tiny_model(**more: bytes) -> dict[str, bytes]:
    """The files of a model's repository: 400 kB in one file of weights, and what is not wanted."""
    return {
        ".gitattributes": b"*.safetensors filter=lfs",
        "config.json": b'{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}',
        "tokenizer.json": b"{}",
        "model.safetensors": safetensors({"model.embed_tokens.weight": 100_000}),
        "modeling_evil.py": b"raise SystemExit",
        "pytorch_model.bin": b"\x80\x04pickle",
        "original/consolidated.00.pth": b"\x80\x04pickle",
        **more,
    }
