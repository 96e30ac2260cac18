"""Files: what is uploaded is whole and checked, or not there."""
# Covers studio/uploads.py studio/store.py studio/routes/files.py

from __future__ import annotations

import csv
import io
import time
from itertools import chain

import openai
import pytest
from orjson import dumps
from starlette.testclient import TestClient

from orchestrator.studio.context import Settings
from orchestrator.studio.store import Store
from orchestrator.studio.uploads import folder_of
from tests.small_world import ROWS, SmallWorld
from tests.studio.conftest import Opened, parts_of
from tests.studio.world import TAUGHT, lines, refused, running, upload


def test_openais_client_uploads_lists_reads_and_deletes(small: SmallWorld) -> None:
    with running(small.project) as studio, studio.client() as client:
        first, second = upload(client), upload(client, TAUGHT[:2], "问答.jsonl")
        assert [one.id for one in client.files.list()] == [second, first]
        assert [one.id for one in client.files.list(order="asc", limit=1)] == [first, second], "page by page"
        found = client.files.retrieve(second)
        assert (found.filename, found.purpose, found.status) == ("问答.jsonl", "fine-tune", "processed")
        assert client.files.content(second).read() == lines(TAUGHT[:2])
        assert client.files.delete(first).deleted
        with refused(404, "file_not_found"):
            client.files.retrieve(first)
        with refused(400, "invalid_value"):
            client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    assert sorted(path.name for path in folder_of(small.project).iterdir()) == [
        f"{second}.jsonl",
        f"{second}.yaml",
    ]


def test_other_formats_are_read_too(api: TestClient) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([("question", "answer"), *ROWS.items()])
    answer = send(api, text.getvalue().encode(), "faq.csv")
    assert answer["conch"] | {"sha256": ""} == {
        "format": "question_answer",
        "rows": 4,
        "warnings": {},
        "sha256": "",
    }


def send(client: TestClient, content: bytes, name: str = "rows.jsonl") -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = client.post(
        "/v1/files", files={"file": (name, content)}, data={"purpose": "fine-tune"}
    ).json()
    return found


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (lines(TAUGHT[:1]) + b"{broken\n", "rows.jsonl", "rows.jsonl:2"),
        (lines([{"instruction": "ask", "output": ""}]), "rows.jsonl", "rows.jsonl:1"),
        (b"", "rows.jsonl", "empty"),
        (b"PK\x03\x04 no workbook", "rows.xlsx", "rows.xlsx"),
        (b"x", "rows.exe", "cannot read .exe"),
        (b"x", "../../../etc/passwd", "a file without a suffix"),
    ],
)
def test_a_bad_file_is_refused_with_its_lines_and_not_kept(
    api: TestClient, content: bytes, name: str, said: str
) -> None:
    error = send(api, content, name)["error"]
    assert error["type"] == "invalid_request_error"
    assert said in str(error["message"]), error
    assert error["problems"]
    assert str(parts_of(api).project) not in str(error), "a client learns no path of the server"
    assert list(folder_of(parts_of(api).project).iterdir()) == []
    assert parts_of(api).store.all("files") == []


def test_a_file_that_is_too_large_is_refused_while_it_comes(opened: Opened) -> None:
    client = opened(Settings(most_upload=100_000))
    large = lines(TAUGHT * 4000)
    assert send(client, large)["error"]["code"] == "file_too_large"

    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
    pieces = (large[start : start + 50_000] for start in range(0, len(large), 50_000))
    answer = client.post(
        "/v1/files",
        content=chain([head], pieces),
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert answer.status_code == 413
    assert list(folder_of(parts_of(client).project).iterdir()) == []


def test_what_a_kill_left_is_swept_and_the_store_is_rebuilt(small: SmallWorld, opened: Opened) -> None:
    client = opened(Settings())
    kept = send(client, lines(TAUGHT))["id"]
    folder = folder_of(small.project)
    (folder / ".file-0123.jsonl.partial").write_bytes(b"{half")
    (folder / "file-4567.jsonl").write_bytes(lines(TAUGHT))  # whole, but its client was never told
    for path in parts_of(client).store.folder.glob("studio.sqlite3*"):
        path.unlink()
    again = opened(Settings())
    assert [one["id"] for one in again.get("/v1/files").json()["data"]] == [kept]
    assert sorted(path.name for path in folder.iterdir()) == [f"{kept}.jsonl", f"{kept}.yaml"]
    Store(small.project).close()


def test_ten_thousand_files_are_listed_quickly(api: TestClient) -> None:
    store = parts_of(api).store
    record = {"owner": "", "filename": "a.jsonl", "suffix": ".jsonl", "bytes": 1, "purpose": "fine-tune"}
    with store.transaction() as base:
        rows = [
            (
                "files",
                f"file-{number:05}",
                "",
                float(number),
                dumps(record | {"id": f"file-{number:05}", "created_at": number}),
            )
            for number in range(10_000)
        ]
        base.executemany(
            "insert into records (kind, id, owner, created, record) values (?, ?, ?, ?, ?)", rows
        )
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        assert len(api.get("/v1/files").json()["data"]) == 10_000
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 1, "a tenth of a second on an idle machine"


def test_the_client_sees_the_lines(small: SmallWorld) -> None:
    with (
        running(small.project) as studio,
        studio.client() as client,
        pytest.raises(openai.BadRequestError) as said,
    ):
        upload(client, [{"instruction": "ask", "output": ""}])
    assert "rows.jsonl:1" in str(said.value)
