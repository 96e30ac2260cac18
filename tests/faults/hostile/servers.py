"""Servers that answer what no client expects: every mode of tests/fakes/hostile_answers.py, and its words."""

from __future__ import annotations

from collections.abc import Callable

from tests.fakes.hostile_answers import MODES
from tests.fakes.openai_server import Said, openai_server
from tests.faults.hostile import Hostile, Place, together, write

KEY = "sk-of-this-test-alone"
VERIFY = ("verify", "small", "--base-url", "{url}", "--key-file", "key")
CHAT = ("chat", "small", "--base-url", "{url}", "--key-file", "key")


def serve(mode: str) -> Callable[[Place], object]:
    """A server in this mode."""

    def make(place: Place) -> None:
        server = place.enter(openai_server(lambda _: Said("我是神奇海螺"), models=["small"], fault=mode))
        place.named["url"] = server.url

    def private(place: Place) -> None:
        (place.project / "key").chmod(0o600)

    return together(write("key", KEY), private, make)


LATE = "is up, but its engine gave no token within 0.5 s"
CUT = "the server closed the connection in the middle of the answer"
LONG = "the answer is not HTTP: Receive buffer too long"
LARGE = "the answer is larger than 16 MiB"
DEEP = "the answer's JSON is nested too deeply"
SHOWN = r"\x1b[2J\x1b]0;owned\x07"
SHAPE = "the answer has an unknown shape: "

# Mode → exit code and words; `conch verify` meets it, `conch chat` those of streams.
ANSWERED: dict[str, tuple[int, str]] = {
    "silent-close": (4, CUT),
    "ssh-banner": (4, "the answer is not HTTP: it starts with 'SSH-2.0"),
    "tls-alert": (4, "the answer is not HTTP: it starts with '\\x15"),
    "half-a-status": (4, CUT),
    "drip-status": (7, LATE),
    "drip-headers": (7, LATE),
    "endless-header": (4, LONG),
    "endless-headers": (4, LONG),
    "continue-drip": (7, LATE),
    "continue-flood": (4, "the answer is larger than 256 KiB"),
    "early-hints": (4, "the answer is larger than 256 KiB"),
    "escape-in-reason": (4, "illegal status line"),
    "escape-in-header": (4, "illegal header line"),
    "status-9999": (4, "illegal status line"),
    "switching-protocols": (4, "the answer is not HTTP"),
    "negative-length": (4, "bad Content-Length"),
    "two-lengths": (4, "conflicting Content-Length headers"),
    "huge-length": (4, LARGE),
    "endless-length": (4, "bad Content-Length"),
    "drip-chunks": (7, LATE),
    "bad-chunk": (4, "illegal chunk header"),
    "endless-chunk-head": (4, LONG),
    "endless-body": (4, LARGE),
    "reset": (4, CUT),
    "gzip": (4, "the answer is compressed (Content-Encoding: 'gzip'), which was not requested"),
    "gzip-bomb": (4, "Content-Encoding: 'gzip'"),
    "gzip-twice": (4, "Content-Encoding: 'gzip, gzip'"),
    "gzip-unsaid": (4, "the answer is not JSON: '\\x1f"),
    "deflate": (4, "Content-Encoding: 'deflate'"),
    "zstd": (4, "Content-Encoding: 'zstd'"),
    "escape-in-encoding": (4, r"Content-Encoding: '\xff\xfe'"),
    "204": (4, "the answer is not JSON: ''"),
    "redirect-with-secrets": (4, "redirects to http://***@evil.invalid/v1?api_key=***&x=1"),
    "redirect-to-escapes": (4, r"redirects to http://evil.invalid/%1b\x9b"),
    "redirect-to-a-file": (4, "redirects to file:///etc/passwd"),
    "error-with-escapes": (4, f"the server had an internal error (HTTP 500): {SHOWN}"),
    "error-of-10-mb": (4, "the server refuses the request (HTTP 400): xxx"),
    "error-that-is-deep": (4, "the server refuses the request (HTTP 400): [[["),
    "error-with-the-key": (4, "bad key ***"),
    "error-as-html": (4, r"a gateway got no answer from the server (HTTP 502): <html>\x1b[31m"),
    "error-without-utf-8": (4, "the server had an internal error (HTTP 500)"),
    "retry-at-once": (4, "the server has too many requests (HTTP 429)"),
    "retry-for-ever": (4, "the server has too many requests (HTTP 429)"),
    "retry-59": (4, "asks you to wait 59 s"),
    "deep-lists": (4, DEEP),
    "deep-objects": (4, DEEP),
    "deep-content": (4, DEEP),
    "many-parts": (4, "the answer's JSON has more than 1,000,000 parts"),
    "many-choices": (4, "the answer's JSON has more than 1,000,000 parts"),
    "null": (4, f"{SHAPE}it is not an object"),
    "number": (4, f"{SHAPE}it is not an object"),
    "list": (4, f"{SHAPE}it is not an object"),
    "text": (4, f"{SHAPE}it is not an object"),
    "number-of-5000-digits": (4, "the answer is not valid JSON"),
    "not-utf-8": (4, "the answer is not valid JSON"),
    "error-in-200": (4, f"the server reported an error: {SHOWN}"),
    "error-in-200-as-list": (4, "the server reported an error: ['"),
    "choices-number": (4, f'{SHAPE}"choices" is not a list'),
    "choices-object": (4, f'{SHAPE}"choices" is not a list'),
    "choice-number": (4, f"{SHAPE}a choice is a number"),
    "message-list": (4, f'{SHAPE}"message" is a list'),
    "content-number": (4, f'{SHAPE}"content" is a number, not text'),
    "content-list": (4, f'{SHAPE}"content" is a list, not text'),
    "content-object": (4, f'{SHAPE}"content" is an object, not text'),
    "content-true": (4, f'{SHAPE}"content" is true or false, not text'),
    "model-with-escapes": (4, f'another model answered: "{SHOWN}'),
    "content-with-escapes": (5, SHOWN),
    "content-half-character": (5, "\ufffd"),
    "calls-of-all-kinds": (5, "好"),
    "ids-of-all-kinds": (5, "the stream broke off"),
    "stream-of-comments": (4, "no complete answer within 0.5 s"),
    "stream-without-lines": (4, LARGE),
    "stream-flood": (4, "no complete answer within 0.5 s"),
    "stream-deep": (4, DEEP),
    "stream-number": (4, f"{SHAPE}it is not an object"),
    "stream-content-list": (4, f'{SHAPE}"content" is a list, not text'),
    "stream-error": (4, f"the server reported an error: {SHOWN}"),
    "stream-not-json": (4, r"the answer is not JSON: '\x1b[2J{'"),
    "models-many": (2, "model-9 and 99,990 more"),
    "models-with-escapes": (2, SHOWN),
    "models-of-all-kinds": (2, "served: 7, ['x']"),
    "models-number": (5, "checks"),
    "models-deep": (4, DEEP),
    "models-endless": (4, LARGE),
    "models-drip": (7, LATE),
    "models-gzip": (4, "Content-Encoding: 'gzip'"),
    "models-null": (5, "checks"),
    "models-500": (4, f"the server had an internal error (HTTP 500): {SHOWN}"),
}

CASES = tuple(
    Hostile(
        mode,
        serve(mode),
        CHAT if mode.startswith("stream-") else VERIFY,
        ANSWERED[mode][0],
        (ANSWERED[mode][1],),
        never=(KEY, "hunter22"),
        stdin="你是谁\n".encode(),
        env={"CONCH_ANSWER_TIMEOUT": "0.5"},
        also_json=mode in {"error-with-escapes", "models-with-escapes", "models-many"},
    )
    for mode in MODES
)
