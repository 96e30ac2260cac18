"""A server that says the ids of its prompts as vLLM 0.32 does: a jinja, and a tokenizer of letters.

    with tokenizing_server(jinja, writes=lambda messages: "<think>嗯</think>海螺") as server: ...

What it writes is parsed as --reasoning-parser deepseek_r1 does, when `parses`, without the blank line behind
the thought when `cleans`. FAULTS names the switches.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import Any

from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tests.fakes.loopback import listening
from tests.fakes.site.letters import BOS, EOS, Letters

FAULTS = {
    "500": "an internal error, with the key in it",
    "html": "a web page",
    "hang": "no answer at all",
    "die": "the connection ends, and nobody listens any more",
    "no-ids": "completions do not say their prompts",
    "no-length": "the models do not say how much they take",
}


@dataclass
class Tokenizing:
    """What it is, and what it was asked: (path, body)."""

    template: str
    writes: Callable[[list[dict[str, Any]]], str]
    parses: bool = True
    cleans: bool = True
    longest: int = 4096
    names: tuple[str, ...] = ("run-1", "conch")
    fault: str = ""
    url: str = ""
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    stop: Callable[[], None] = lambda: None

    def prompt(self, body: dict[str, Any]) -> list[int]:
        """The ids of a chat request."""
        text = _compiled(self.template).render(
            messages=[_as_template_sees(one) for one in body["messages"]],
            bos_token=BOS,
            eos_token=EOS,
            add_generation_prompt=True,
            **body.get("chat_template_kwargs", {}),
        )
        return Letters().encode(text)

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """A completion: the old name of a thought is renamed, an effort sets enable_thinking."""
        for one in body["messages"]:
            if "reasoning_content" in one:
                one["reasoning"] = one.pop("reasoning_content")
        if effort := body.get("reasoning_effort"):
            body = body | {
                "chat_template_kwargs": {
                    "enable_thinking": effort != "none",
                    **body.get("chat_template_kwargs", {}),
                }
            }
        ids = self.prompt(body)
        written = self.writes(body["messages"])
        message: dict[str, Any] = {"role": "assistant", "content": written, "reasoning": None}
        if self.parses:
            before, mark, after = written.partition("</think>")
            thought = before.removeprefix("<think>")
            content = after.removeprefix("\n\n") if self.cleans else after
            message |= {"reasoning": thought, "content": content if mark else None}
        given = Letters().encode(written + EOS)[: body["max_tokens"]]
        choice = {"index": 0, "message": message | {"tool_calls": []}, "token_ids": given}
        return {"choices": [choice], "prompt_token_ids": None if self.fault == "no-ids" else ids}


@cache
def _compiled(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = _refuse
    return environment.from_string(template)


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _as_template_sees(message: dict[str, Any]) -> dict[str, Any]:
    content = message["content"]
    seen = {"role": message["role"], "content": content}
    if isinstance(content, list):
        seen["content"] = "\n".join(part["text"] for part in content)
    if isinstance(message.get("reasoning"), str):
        seen |= dict.fromkeys(("reasoning", "reasoning_content"), message["reasoning"])
    return seen


class _Handler(BaseHTTPRequestHandler):
    fake: Tokenizing

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        length = {} if self.fake.fault == "no-length" else {"max_model_len": self.fake.longest}
        self._json(200, {"data": [{"id": name, **length} for name in self.fake.names]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.fake.requests.append((self.path, json.loads(json.dumps(body))))
        if self.fake.fault == "hang":
            self.fake.gone.wait(30)
        elif self.fake.fault == "die":
            self.fake.stop()
        elif self.fake.fault == "500":
            self._json(500, {"error": {"message": f"told {self.headers.get('Authorization')}"}})
        elif self.fake.fault == "html":
            self._send(200, b"<html>hello</html>")
        else:
            self._answer(body)

    def _answer(self, body: dict[str, Any]) -> None:
        try:
            if self.path == "/tokenize":
                ids = self.fake.prompt(body)
                self._json(200, {"count": len(ids), "max_model_len": self.fake.longest, "tokens": ids})
            elif self.path == "/v1/chat/completions":
                said = self.fake.complete(body)
                if body.get("stream"):
                    choice = {"index": 0, "delta": said["choices"][0]["message"]}
                    self._send(200, f"data: {json.dumps({'choices': [choice]})}\n\ndata: [DONE]\n\n".encode())
                else:
                    self._json(200, said)
            else:
                self._json(404, {"error": {"message": "Not Found"}})
        except TemplateError as error:
            self._json(400, {"error": {"message": str(error), "code": 400}})

    def _json(self, status: int, data: dict[str, Any]) -> None:
        self._send(status, json.dumps(data).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def tokenizing_server(
    template: str, writes: Callable[[list[dict[str, Any]]], str], **switches: Any
) -> Iterator[Tokenizing]:
    """The server on a free port of loopback, gone at the end."""
    fake = Tokenizing(template, writes, **switches)
    with listening(type("Handler", (_Handler,), {"fake": fake}), fake.gone.set) as (fake.url, fake.stop):
        yield fake
