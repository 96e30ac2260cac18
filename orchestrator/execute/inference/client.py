"""An OpenAI client for any OpenAI-compatible server: one attempt a question, every failure a sentence.

Only where a server says when to ask again is it asked again (patience.py).

The key comes from CONCH_API_KEY or a 0600 file, never from the user's OPENAI_* variables (wire.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self, cast
from urllib.parse import urlsplit

import httpx
import openai

from orchestrator.backends.engines import ENGINES
from orchestrator.errors import ConchError, MissingError, Problem, StageFailed, TimedOut, UsageError
from orchestrator.execute.inference.delta import Delta, piece_of
from orchestrator.execute.inference.request_errors import ErrorKind, RequestError, trouble_of
from orchestrator.execute.inference.retry import patiently
from orchestrator.execute.inference.transport import DeadlineStream, http_client, limits
from orchestrator.results import Turn

ANSWER_TIMEOUT = 300.0
CANARY_TIMEOUT = 60.0
LIST_TIMEOUT = 10.0
DYING = (0.1, 0.3, 1.0)

Message = Mapping[str, str]


class Client:
    """Asks one model of one server. Safe to use from several threads.

    Args:
        base_url: ends in /v1 for most servers.
        model: the served name.
        key: "" where the server wants none.
        max_tokens: of an answer; None leaves it to the server.
        temperature: 0 for greedy answers; None leaves it to the server.
        timeout: seconds for a whole answer.

    Raises:
        UsageError: the address is none.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        key: str = "",
        max_tokens: int | None = None,
        temperature: float | None = None,
        timeout: float = ANSWER_TIMEOUT,
    ) -> None:
        self.base_url = _checked(base_url)
        self.model = model
        self._key = key
        self._timeout = timeout
        self._http = http_client(self.base_url, key, timeout)
        # A placeholder key: the library demands one; wire.py decides what is really sent.
        self._openai = openai.OpenAI(
            base_url=self.base_url, api_key="none", max_retries=0, http_client=cast("Any", self._http)
        )
        settings = {"max_tokens": max_tokens, "temperature": temperature}
        self._settings = {name: value for name, value in settings.items() if value is not None}
        self._wants_ids = True
        self._binds = True
        self._aliases = {model}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._openai.close()
        self._http.close()

    def ask(
        self,
        messages: Sequence[Message],
        *,
        streamed: bool = False,
        seed: int = 0,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> Turn:
        """Put one conversation to the server; with `streamed` a second time with stream=true. Never raises.

        A failure, of either request, is the turn's `error`, and then everything else is empty. A seed other
        than 0, and tools, are sent along.
        """
        sent = tuple(dict(message) for message in messages)
        extra = {**({"seed": seed} if seed else {}), **({"tools": list(tools)} if tools else {})}
        try:
            whole, seconds = patiently(lambda: self._timed(sent, **extra))
        except RequestError as trouble:
            return Turn(sent, error=_told(trouble, tools))
        answer = (whole.content, whole.reasoning, whole.finish_reason, whole.token_ids)
        if not streamed:
            return Turn(sent, *answer, seconds=seconds, tool_calls=whole.tool_calls)
        try:
            pieces = patiently(lambda: sum(self.stream(sent, **extra), Delta()))
        except RequestError as trouble:
            return Turn(sent, error=f"with stream=true: {_told(trouble, tools)}")
        again = (pieces.content, pieces.reasoning, pieces.token_ids)
        turn = Turn(sent, *answer, True, *again, seconds=seconds)
        return replace(turn, tool_calls=whole.tool_calls, streamed_tool_calls=pieces.tool_calls)

    def ask_bound(self, messages: Sequence[Message], name: str, schema: Mapping[str, Any]) -> Turn:
        """One answer, bound to a JSON schema until the server refuses that, then not. Never raises.

        Whether the answer keeps to the schema is for the caller to see.
        """
        sent = tuple(dict(message) for message in messages)
        started = time.monotonic()
        form: Any = {
            "type": "json_schema",
            "json_schema": {"name": name, "strict": True, "schema": dict(schema)},
        }
        try:
            try:
                whole = self._whole(sent, response_format=form) if self._binds else self._whole(sent)
            except RequestError as trouble:
                if trouble.kind is not ErrorKind.REFUSED or not self._binds:
                    raise
                whole = self._whole(sent)  # fails the same way when something else was refused
                self._binds = False
        except RequestError as trouble:
            return Turn(sent, error=str(trouble))
        answer = (whole.content, whole.reasoning, whole.finish_reason, whole.token_ids)
        return Turn(sent, *answer, seconds=time.monotonic() - started)

    def stream(self, messages: Sequence[Message], **extra: Any) -> Iterator[Delta]:
        """The answer in pieces; `extra` is sent along. Closing it ends the request. Raises Trouble."""
        with self._explained(self._timeout):
            stream = self._create(messages, stream=True, **extra)
            if not isinstance(stream, openai.Stream):
                raise RequestError(ErrorKind.ANSWER, "the server does not stream")
            try:
                yield from (self._piece(chunk, "delta") for chunk in stream if chunk.choices)
            finally:
                stream.close()
            watched = stream.response.stream
            if isinstance(watched, DeadlineStream) and not watched.done:
                raise RequestError(ErrorKind.ANSWER, "the stream broke off: it ended without [DONE]")

    def reach(self, hint: str = "", *, timeout: float = CANARY_TIMEOUT) -> None:
        """Make sure that the server answers under the model's name: one token.

        Raises:
            MissingError: nothing listens there, or it wants another key.
            UsageError: the server serves other models.
            TimedOut: it is up, but its engine does not answer.
            StageFailed: it answers with an error.
        """
        try:
            listed = self._models()
            if listed is not None and self.model not in listed:
                raise _not_served(self.model, listed)
        except RequestError as trouble:
            raise self._error_of(trouble, hint, timeout) from trouble
        pinged = self._ping(timeout)
        if pinged is not None:
            raise self._error_of(pinged, hint, timeout) from pinged

    def still_there(self, *, timeout: float = CANARY_TIMEOUT) -> None:
        """After a failure: is it the server's end, or only that answer's?

        Raises:
            StageFailed: nothing listens any more, or no answer is right any more.
            TimedOut: the engine answers nobody.
            MissingError, UsageError: it wants another key, or does not know the model any more.
        """
        # A dying server may still accept a connection and drop it, a busy one refuse a question and take the
        # next: that is settled a moment later.
        trouble = self._ping(timeout)
        for pause in DYING:
            if trouble is None or trouble.kind in (ErrorKind.NOT_THERE, ErrorKind.TIMEOUT):
                break
            time.sleep(pause)
            trouble = self._ping(timeout)
        if trouble is None:
            return
        if trouble.kind in (ErrorKind.NOT_THERE, ErrorKind.CUT):
            raise StageFailed(Problem(f"the server died: {trouble}", hint="read its log")) from trouble
        raise self._error_of(trouble, "", timeout) from trouble

    def _ping(self, timeout: float) -> RequestError | None:
        try:
            self._whole([{"role": "user", "content": "ping"}], max_tokens=1, timeout=timeout)
        except RequestError as trouble:
            return trouble
        return None

    def _timed(self, messages: Sequence[Message], **extra: Any) -> tuple[Delta, float]:
        """The answer, and the seconds that it took."""
        started = time.monotonic()
        return self._whole(messages, **extra), time.monotonic() - started

    def _whole(self, messages: Sequence[Message], *, timeout: float | None = None, **extra: Any) -> Delta:
        limit = timeout or self._timeout
        with self._explained(limit):
            answer = self._create(messages, timeout=cast("Any", limits(limit)), **extra)
            if isinstance(answer, str):
                raise RequestError(ErrorKind.ANSWER, f"the answer is not JSON: {answer[:80]!r}")
            if not getattr(answer, "choices", None):
                raise RequestError(ErrorKind.ANSWER, "the answer holds no choices")
            return self._piece(answer, "message")

    def _create(self, messages: Sequence[Message], **extra: Any) -> Any:
        """The request, with vLLM's token ids asked for until a server refuses that word."""
        create: Any = self._openai.chat.completions.create
        request = {"model": self.model, "messages": list(messages)} | self._settings | extra
        if not self._wants_ids:
            return create(**request)
        try:
            return create(**request, extra_body={"return_token_ids": True})
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            answer = create(**request)  # fails the same way when something else was refused
            self._wants_ids = False
            return answer

    def _piece(self, answer: Any, part: str) -> Delta:
        self._check_model(getattr(answer, "model", None) or "")
        return piece_of(answer.choices[0], part)

    def _check_model(self, answered: str) -> None:
        """Another model's answer is none; but a server may have two names for one model, and lists both."""
        if not answered or answered in self._aliases or answered.startswith(f"{self.model}-"):
            return
        listed = self._models() or ()
        if answered not in listed or self.model not in listed:
            raise RequestError(
                ErrorKind.ANSWER, f'another model answered: "{answered}" instead of "{self.model}"'
            )
        self._aliases.add(answered)

    def _models(self) -> list[str] | None:
        """The names that the server lists; None when it keeps no list."""
        try:
            with self._explained(LIST_TIMEOUT):
                listed = self._openai.models.list(timeout=cast("Any", limits(LIST_TIMEOUT)))
                return [str(model.id) for model in listed.data]
        except RequestError as trouble:
            if trouble.kind in (ErrorKind.NOT_SERVED, ErrorKind.REFUSED):
                return None
            raise
        except AttributeError:  # a list of another shape
            return None

    @contextmanager
    def _explained(self, timeout: float) -> Iterator[None]:
        try:
            yield
        except (openai.OpenAIError, httpx.HTTPError, ValueError, RuntimeError) as error:
            if self._http.is_closed:  # by another thread, that wants no more answers
                raise RequestError(ErrorKind.NOT_THERE, "the conversation was given up") from error
            if isinstance(error, RuntimeError):
                raise
            raise trouble_of(error, url=self.base_url, timeout=timeout, key=self._key) from error

    def _error_of(self, trouble: RequestError, hint: str, timeout: float) -> ConchError:
        told = str(trouble)
        if trouble.kind is ErrorKind.NOT_THERE:
            return MissingError(Problem(told, hint=hint))
        if trouble.kind is ErrorKind.KEY:
            return MissingError(Problem(told, hint="set CONCH_API_KEY, or give --key-file FILE"))
        if trouble.kind is ErrorKind.TIMEOUT:
            what = f"{self.base_url} is up, but its engine gave no token within {timeout:g} s"
            return TimedOut(Problem(what, hint="read the server's log; restart it"))
        if trouble.kind is ErrorKind.NOT_SERVED:
            return UsageError(
                Problem(told, where=self.base_url, hint="does the address want /v1 at its end?")
            )
        return StageFailed(Problem(told, where=self.base_url, hint="read the server's log"))


def _told(trouble: RequestError, tools: Sequence[Mapping[str, Any]]) -> str:
    """The error, with an engine's hint about tools if it refused them."""
    if tools and trouble.kind is ErrorKind.REFUSED:
        for engine in ENGINES.values():
            for part, hint in engine.request_hints.items():
                if part in str(trouble):
                    return f"{trouble}; {hint}"
    return str(trouble)


def _checked(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        hint = "write it like http://127.0.0.1:8000/v1"
        raise UsageError(Problem(f"not a server's address: {base_url!r}", where="--base-url", hint=hint))
    return base_url.rstrip("/")


def _not_served(model: str, listed: Sequence[str]) -> UsageError:
    names = ", ".join(listed) or "none"
    hint = f"--model {listed[0]}" if len(listed) == 1 else "name one of them with --model"
    return UsageError(Problem(f'no model "{model}" there; served: {names}', where="--model", hint=hint))
