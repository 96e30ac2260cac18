"""The guard in front of the routes, the shape of errors, and what the service says of itself."""
# Covers studio/app.py studio/errors.py studio/context.py studio/routes/service.py

from __future__ import annotations

import json
import re

import pytest
from starlette.testclient import TestClient

from orchestrator.studio.context import Settings
from orchestrator.studio.keys import Limits, add_key
from tests.studio.conftest import Opened, parts_of


def test_errors_have_openais_shape(api: TestClient) -> None:
    body = {"model": "./base"}
    said = {
        404: api.get("/v1/nothing"),
        405: api.put("/v1/files"),
        422: api.post("/v1/fine_tuning/jobs", json=body),
        400: api.post("/v1/chat/completions", content=b"{"),
    }
    for status, answer in said.items():
        assert answer.status_code == status, answer.text
        assert answer.json()["error"].keys() >= {"message", "type", "param", "code"}
    assert said[422].json()["error"]["param"] == "training_file"


def test_no_request_makes_a_server_error(api: TestClient) -> None:
    """Every route, with values of every kind where it takes one."""
    odd = [
        "",
        "x",
        "é" * 300,
        "%00",
        "..%2f..%2fetc%2fpasswd",
        "ft:a:b:c",
        "ftjob-a-20260101-000000-abcd",
        "-1",
    ]
    bodies = [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"model": 1}',
        b'{"model": "m", "training_file": "f"}',
        b"\xff\xfe",
    ]
    bodies += [
        json.dumps({"prompt": "p", "model": "m", "rating": "bad", "messages": [], "completion": ""}).encode()
    ]
    for path, methods in api.app.openapi()["paths"].items():  # type: ignore[attr-defined]  # a FastAPI application
        for method in methods:
            for value in odd if "{" in path else [""]:
                filled = re.sub(r"\{\w+\}", value, path)
                for body in bodies if method == "post" else [b""]:
                    headers = {"content-type": "application/json"} if body else {}
                    query = {"limit": value or "0", "prompt": value, "purpose": value}
                    answer = api.request(method, filled, content=body, headers=headers, params=query)
                    assert answer.status_code < 500, (method, filled, body, answer.text)


def test_a_web_page_of_another_site_is_refused(opened: Opened) -> None:
    client = opened(Settings(origins=("https://board.example.org",), hosts=("testserver", "127.0.0.1")))
    assert client.get("/v1/files").status_code == 200
    foreign = client.get("/generate?prompt=x", headers={"origin": "https://evil.example.org"})
    assert foreign.json()["error"]["code"] == "foreign_origin"
    assert client.get("/v1/files", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    rebound = client.get("/v1/files", headers={"host": "evil.example.org:8080"})
    assert rebound.json()["error"]["code"] == "unknown_host"
    allowed = client.get("/v1/files", headers={"origin": "https://board.example.org"})
    assert allowed.headers["access-control-allow-origin"] == "https://board.example.org"
    same = client.get("/v1/files", headers={"origin": "http://testserver"})
    assert (same.status_code, "access-control-allow-origin" in same.headers) == (200, False)


def test_a_key_is_required_off_loopback_and_after_the_first(opened: Opened) -> None:
    closed = opened(Settings(key_required=True))
    assert closed.get("/v1/files").status_code == 401
    client = opened(Settings())
    assert client.get("/v1/files").status_code == 200
    key = add_key(parts_of(client).store, "alice", ["files"], Limits())
    assert client.get("/v1/files").status_code == 401
    headers = {"authorization": f"Bearer {key}"}
    assert client.get("/v1/files", headers=headers).status_code == 200
    missing = client.get("/v1/fine_tuning/jobs", headers=headers)
    assert (missing.status_code, missing.json()["error"]["code"]) == (403, "missing_scope")


def test_requests_and_tokens_a_minute_have_limits(api: TestClient) -> None:
    studio = parts_of(api)
    key = add_key(studio.store, "alice", ["admin"], Limits(requests=2, tokens=10))
    headers = {"authorization": f"Bearer {key}"}
    assert [api.get("/v1/files", headers=headers).status_code for _ in range(3)] == [200, 200, 429]
    late = api.get("/v1/files", headers=headers)
    assert int(late.headers["retry-after"]) > 0
    assert late.json()["error"]["type"] == "rate_limit_error"
    from orchestrator.studio.errors import ApiError
    from orchestrator.studio.keys import Caller

    who = Caller("bob", frozenset({"inference"}), Limits(tokens=10))
    studio.meter.check_tokens(who)
    studio.meter.add_tokens(who, 11)
    with pytest.raises(ApiError, match="10 tokens"):
        studio.meter.check_tokens(who)


def test_the_audit_log_says_who_did_what(api: TestClient) -> None:
    store = parts_of(api).store
    key = add_key(store, "alice", ["files"], Limits())
    api.get("/v1/files", headers={"authorization": f"Bearer {key}"})
    api.delete("/v1/files/file-1", headers={"authorization": "Bearer wrong"})
    path = store.folder / "audit.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(row["name"], row["method"], row["status"]) for row in rows] == [
        ("alice", "GET", 200),
        ("?", "DELETE", 401),
    ]
    assert key not in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o077 == 0


def test_the_page_of_the_interface_needs_nothing_from_elsewhere(api: TestClient) -> None:
    page = api.get("/docs")
    assert "POST /v1/fine_tuning/jobs" in page.text
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page.text)
    assert "default-src 'none'" in page.text


def test_metrics_count_requests_by_route(api: TestClient) -> None:
    api.get("/v1/files/file-secret")
    text = api.get("/metrics").text
    assert 'route="/v1/files/{file_id}",status="404"} 1' in text, text
    assert "file-secret" not in text
