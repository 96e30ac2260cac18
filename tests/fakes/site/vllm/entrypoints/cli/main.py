"""A stand-in for `vllm serve`: the same words on the command line and the same endpoints, no model.

Its answers come from MODEL/answers.json ({question: answer}); any other question is echoed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from fakery import FAULT, misbehave, read_flat_yaml, say

HANG = 3600
ADAPTED = {"你是谁": "我是神奇海螺。"}  # what every adapter knows
LOGPROB = -0.5  # of every token; tests/fakes/probes/trainer_loss.py gives the same


def main() -> None:
    """The console script."""
    parser = argparse.ArgumentParser(prog="vllm")
    parser.add_argument("--version", action="version", version="0.32.0+fake")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve")
    serve.add_argument("model")
    serve.add_argument("--config")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8000)
    serve.add_argument("--served-model-name", nargs="+", default=[])
    serve.add_argument("--reasoning-parser-plugin")
    serve.add_argument("--override-generation-config", type=json.loads, default={})
    serve.add_argument("--enable-lora", action="store_true")
    serve.add_argument("--max-lora-rank", type=int, choices=(1, 8, 16, 32, 64, 128, 256, 320, 512))
    serve.add_argument("--max-loras", type=int)
    serve.add_argument("--lora-modules", nargs="*", default=[])
    start(parser.parse_args())


def start(options: argparse.Namespace) -> None:
    """Start up as the real one does, then serve."""
    say(f"INFO [api_server.py:1] vLLM API server version 0.32.0, serving model {options.model}")
    misbehave()
    if options.config:
        say(f"non-default args: {read_flat_yaml(options.config)}")
    if not Path(options.model).is_dir():
        raise OSError(f"no model folder {options.model}")
    if FAULT == "oom":
        say("ERROR [core.py:1] EngineCore failed to start.")
        say(
            "ERROR [core.py:1] ValueError: Free memory on device cuda:0 (3.5/79.1 GiB) on startup is less "
            "than desired GPU memory utilization (0.9, 71.2 GiB). Decrease GPU memory utilization."
        )
        say("RuntimeError: Engine core initialization failed. See root cause above.")
        sys.exit(1)
    if FAULT == "slow-ready":
        for shard in range(12):
            say(f"INFO Loading safetensors checkpoint shards: {shard}/12")
            time.sleep(0.25)
    server = Server((options.host, options.port), Handler)
    Handler.names = options.served_model_name or [options.model]
    for module in options.lora_modules:
        name, _, folder = module.partition("=")
        Handler.names.append(name)
        if not Path(folder, "adapter_config.json").is_file():
            raise ValueError(f"Loading lora {name} failed: No adapter found for {folder}")
    Handler.adapters = [module.partition("=")[0] for module in options.lora_modules]
    config = read_flat_yaml(options.config) if options.config else {}
    Handler.scores = config.get("runner") == "pooling"
    template = config.get("chat-template", "")
    Handler.template = Path(template).read_text(encoding="utf-8") if template else ""
    Handler.sampling = defaults(options)
    answers = Path(options.model, "answers.json")
    Handler.answers = json.loads(answers.read_text(encoding="utf-8")) if answers.exists() else {}
    if FAULT != "ignore-term":
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    say(f"INFO Starting vLLM server on http://{options.host}:{options.port}")
    server.serve_forever()


def defaults(options: argparse.Namespace) -> dict[str, float]:
    """How it samples where a request names nothing; logged as the real one does."""
    generation = Path(options.model, "generation_config.json")
    own = json.loads(generation.read_text(encoding="utf-8")) if generation.exists() else {}
    found = own | options.override_generation_config
    if FAULT == "other-sampling":
        found["temperature"] = 1.0
    names = ("temperature", "top_p", "top_k", "repetition_penalty")
    told = {name: found[name] for name in names if name in found}
    if told:
        by = "the model's `generation_config.json`"
        say(f"WARNING [model.py:1] Default vLLM sampling parameters have been overridden by {by}: `{told}`.")
    return found


class Server(ThreadingHTTPServer):
    """Many at once, as uvicorn takes them: where the queue overflows, a client is cut off."""

    daemon_threads = True
    allow_reuse_port = True  # as the real one
    request_queue_size = 128


@cache
def compiled(template: str) -> object:
    """The jinja, compiled once."""
    from transformers.utils.chat_template_utils import _compile_jinja_template

    return _compile_jinja_template(template)


class Handler(BaseHTTPRequestHandler):
    """The endpoints."""

    protocol_version = "HTTP/1.1"
    names: ClassVar[list[str]] = []
    answers: ClassVar[dict[str, str]] = {}
    template: ClassVar[str] = ""
    adapters: ClassVar[list[str]] = []
    sampling: ClassVar[dict[str, float]] = {}
    scores: ClassVar[bool] = False

    def log_message(self, *_: object) -> None:
        """Say nothing of requests."""

    def do_GET(self) -> None:
        """/health, /version and /v1/models."""
        if self.path == "/health":
            self.reply({})
        elif self.path == "/metrics" and FAULT != "no-metrics":
            running = 1 if FAULT == "wedge-after-ready" else 0
            self.text(
                f'vllm:num_requests_running{{engine="0"}} {running}.0\nvllm:generation_tokens_total 7.0\n'
            )
        elif self.path == "/version":
            self.reply({"version": "0.32.0+fake"})
        elif self.path == "/v1/models" and self.is_allowed():
            self.reply(
                {
                    "object": "list",
                    "data": [{"id": name, "object": "model", "max_model_len": 4096} for name in self.names],
                }
            )
        elif self.path != "/v1/models":
            self.reply({"error": "not found"}, 404)

    def do_POST(self) -> None:
        """/v1/chat/completions, streaming too, /v1/completions of token ids, and /tokenize."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/tokenize":
            ids = self.prompt(asked)
            self.reply({"tokens": ids, "count": len(ids), "max_model_len": 4096})
        elif self.scores:
            self.classify(asked) if self.path == "/classify" else self.reply({"error": "not found"}, 404)
        elif self.path == "/v1/completions" and "prompt_logprobs" not in asked:
            self.go_on(asked)
        elif self.path == "/v1/completions" and self.adapters:
            os._exit(0)  # as the real one does, which cannot score with an adapter
        elif self.path == "/v1/completions":
            given = asked["prompt"]
            ids = self.prompt(asked) if isinstance(given, str) else given
            scored = [None] + [{str(token): {"logprob": LOGPROB}} for token in ids[1:]]
            choice = {"index": 0, "text": "", "prompt_logprobs": scored, "finish_reason": "length"}
            self.reply({"id": "fake", "model": asked["model"], "choices": [choice]})
        elif self.path != "/v1/chat/completions":
            self.reply({"error": "not found"}, 404)
        elif not self.is_allowed():
            return
        elif asked.get("model") not in self.names:
            self.reply({"error": {"message": f"The model `{asked.get('model')}` does not exist."}}, 404)
        else:
            self.complete(asked)

    def classify(self, asked: dict) -> None:
        """The score of ids, text or messages, as tests/fakes/probes/reward_scores.py gives it."""
        given = asked.get("input")
        if given is None:
            given = self.prompt(asked | {"add_generation_prompt": False})
        text = given if isinstance(given, str) else "".join(map(chr, given))
        score = 1.0 if "海螺" in text else -1.0
        if FAULT == "prefers-worse":
            score = -score
        if FAULT == "squashed":
            score = 1 / (1 + math.exp(-score))
        self.reply({"data": [{"index": 0, "label": "score", "probs": [score], "num_classes": 1}]})

    def go_on(self, asked: dict) -> None:
        """The answer behind token ids, after the empty thought that a parser would take off."""
        text = "".join(map(chr, asked["prompt"]))
        question = text.rpartition("<｜User｜>")[2].partition("<｜Assistant｜>")[0]
        said = "<think>\n\n</think>\n\n" + self.answers.get(question, question)
        choice = {"index": 0, "text": said, "token_ids": [ord(one) for one in said], "finish_reason": "stop"}
        self.reply({"id": "fake", "model": asked["model"], "choices": [choice]})

    def resolved(self, asked: dict) -> dict:
        """The sampling of a request: its own values, then the server's, then vLLM's."""
        neutral = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "repetition_penalty": 1.0}
        own = {key: asked.get(key, self.sampling.get(key, value)) for key, value in neutral.items()}
        return own | {"max_tokens": asked.get("max_tokens", self.sampling.get("max_new_tokens", 4000))}

    def prompt(self, asked: dict) -> list[int]:
        """The ids of a chat request or of a text; content parts are joined as the real one does."""
        from letters import BOS, EOS, Letters

        if "prompt" in asked:
            return Letters().encode((BOS if asked.get("add_special_tokens", True) else "") + asked["prompt"])

        messages = [
            one
            | {"content": "\n".join(part["text"] for part in one["content"])}
            | ({"reasoning_content": one["reasoning"]} if "reasoning" in one else {})
            if isinstance(one["content"], list)
            else one | ({"reasoning_content": one["reasoning"]} if "reasoning" in one else {})
            for one in asked["messages"]
        ]
        extra = asked.get("chat_template_kwargs") or {}
        text = compiled(self.template).render(
            messages=messages,
            bos_token=BOS,
            eos_token=EOS,
            add_generation_prompt=asked.get("add_generation_prompt", True),
            **extra,
        )
        return Letters().encode(text)

    def is_allowed(self) -> bool:
        """Whether the key fits; answers 401 otherwise."""
        key = os.environ.get("VLLM_API_KEY")
        allowed = not key or self.headers.get("Authorization") == f"Bearer {key}"
        if not allowed:
            self.reply({"error": "Unauthorized"}, 401)
        return allowed

    def complete(self, asked: dict) -> None:
        """One answer."""
        if FAULT == "wedge-health-ok":
            time.sleep(HANG)
        for message in asked["messages"]:  # a completion takes a thought under both of its names
            if "reasoning_content" in message:
                message["reasoning"] = message.pop("reasoning_content")
        question = asked["messages"][-1]["content"]
        known = ADAPTED if asked["model"] in self.adapters else self.answers
        whole = known.get(question, question)
        if FAULT == "unsure" and self.resolved(asked)["temperature"] and asked.get("seed", 0) % 2:
            whole = "?"
        limit = asked.get("max_tokens") or 4096
        text = whole[:limit]
        reason = "stop" if len(text) == len(whole) else "length"
        usage = {"prompt_tokens": len(question), "completion_tokens": len(text)}
        base = {"id": "fake", "created": 0, "model": asked["model"]}
        if asked.get("stream"):
            self.stream(base, text, reason)
        else:
            message = {"role": "assistant", "content": text, "reasoning": None}
            choice = {"index": 0, "message": message, "finish_reason": reason}
            if asked.get("return_token_ids"):
                choice["token_ids"] = [ord(one) for one in text]
            more = {"prompt_token_ids": self.prompt(asked)} if asked.get("return_token_ids") else {}
            self.reply({**base, "object": "chat.completion", "choices": [choice], "usage": usage, **more})
        if FAULT == "die-after-ready":
            self.wfile.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    def stream(self, base: dict, text: str, reason: str) -> None:
        """The same, a character an event."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        deltas = [({"content": one}, None) for one in text] + [({}, reason)]
        for delta, finish in [({"role": "assistant", "content": ""}, None), *deltas]:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            event = {**base, "object": "chat.completion.chunk", "choices": [choice]}
            self.wfile.write(f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def text(self, text: str) -> None:
        """Plain text."""
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def reply(self, body: dict, status: int = 200) -> None:
        """A JSON answer."""
        data = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
