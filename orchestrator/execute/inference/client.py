"""A client for any OpenAI-compatible server; every failure is one sentence.

It retries only where the server says when (Retry-After). The key comes from CONCH_API_KEY or a file, never
from the user's OPENAI_* variables (transport.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Self
from urllib.parse import urlsplit

import httpx
import openai

from orchestrator.backends.engines import ENGINES
from orchestrator.errors import ConchError, MissingError, Problem, StageFailed, TimedOut, UsageError
from orchestrator.execute.inference.delta import Delta, delta_of
from orchestrator.execute.inference.request_errors import ErrorKind, RequestError, request_error, with_retries
from orchestrator.execute.inference.transport import DeadlineStream, http_client, limits
from orchestrator.results import Turn

ANSWER_TIMEOUT = 300.0
CANARY_TIMEOUT = 60.0
LIST_TIMEOUT = 10.0
DYING = (0.1, 0.3, 1.0)

Message = Mapping[str, str]
Tool = Mapping[str, object]


class Client:
    """Asks one model of one server; safe to use from several threads.

    `max_tokens` and `temperature` None mean the server's defaults; `timeout` is in seconds, for a whole
    answer.
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
        # The library requires a key; transport.py decides which one is sent.
        create: Callable[..., openai.OpenAI] = openai.OpenAI  # its types name another version of httpx
        self._openai = create(base_url=self.base_url, api_key="none", max_retries=0, http_client=self._http)
        settings = {"max_tokens": max_tokens, "temperature": temperature}
        self._settings = {name: value for name, value in settings.items() if value is not None}
        self._wants_ids = True
        self._takes_schemas = True
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
        tools: Sequence[Tool] = (),
    ) -> Turn:
        """Send one conversation; with `streamed`, send it a second time with stream=true. Never raises.

        If either request fails, the turn's `error` says why and everything else is empty. A seed of 0 is
        not sent.
        """
        sent = tuple(dict(message) for message in messages)
        extra = {**({"seed": seed} if seed else {}), **({"tools": list(tools)} if tools else {})}
        try:
            whole, seconds = with_retries(lambda: self._timed(sent, **extra))
        except RequestError as error:
            return Turn(sent, error=_described(error, tools))
        turn = _turn(sent, whole, seconds)
        if not streamed:
            return turn
        try:
            streamed_whole = with_retries(lambda: sum(self.stream(sent, **extra), Delta()))
        except RequestError as error:
            return Turn(sent, error=f"with stream=true: {_described(error, tools)}")
        return replace(
            turn,
            streamed=True,
            streamed_content=streamed_whole.content,
            streamed_reasoning=streamed_whole.reasoning,
            streamed_token_ids=streamed_whole.token_ids,
            streamed_tool_calls=streamed_whole.tool_calls,
        )

    def ask_bound(self, messages: Sequence[Message], name: str, schema: Mapping[str, object]) -> Turn:
        """One answer, constrained to a JSON schema unless the server refuses that. Never raises.

        The caller checks whether the answer follows the schema.
        """
        sent = tuple(dict(message) for message in messages)
        form = {"name": name, "strict": True, "schema": dict(schema)}
        constraint = {"response_format": {"type": "json_schema", "json_schema": form}}
        try:
            try:
                whole, seconds = self._timed(sent, **(constraint if self._takes_schemas else {}))
            except RequestError as error:
                if error.kind is not ErrorKind.REFUSED or not self._takes_schemas:
                    raise
                whole, seconds = self._timed(sent)  # fails the same way if something else was refused
                self._takes_schemas = False
        except RequestError as error:
            return Turn(sent, error=str(error))
        return replace(_turn(sent, whole, seconds), tool_calls=())

    def stream(self, messages: Sequence[Message], **extra: object) -> Iterator[Delta]:
        """The answer in deltas; closing the iterator ends the request. Raises RequestError."""
        with self._explained(self._timeout):
            stream = self._create(messages, stream=True, **extra)
            if not isinstance(stream, openai.Stream):
                raise RequestError(ErrorKind.ANSWER, "the server does not stream")
            try:
                yield from (self._delta(chunk, "delta") for chunk in stream if chunk.choices)
            finally:
                stream.close()
            body = stream.response.stream
            if isinstance(body, DeadlineStream) and not body.done:
                raise RequestError(ErrorKind.ANSWER, "the stream broke off: it ended without [DONE]")

    def reach(self, hint: str = "", *, timeout: float = CANARY_TIMEOUT) -> None:
        """Make sure, with one token, that the server answers under the model's name.

        Raises MissingError if nothing listens there or it requires another key, UsageError if it serves other
        models, TimedOut if its engine does not answer, and StageFailed for an invalid answer.
        """
        try:
            listed = self._models()
            if listed is not None and self.model not in listed:
                raise _not_served(self.model, listed)
        except RequestError as error:
            raise self._conch_error(error, hint, timeout) from error
        failure = self._ping(timeout)
        if failure is not None:
            raise self._conch_error(failure, hint, timeout) from failure

    def still_there(self, *, timeout: float = CANARY_TIMEOUT) -> None:
        """After a failed request: return if the server still answers others.

        Raises StageFailed if it died, TimedOut if its engine does not answer; for a wrong key or model as
        reach().
        """
        # A dying server may accept a connection and drop it; a busy one may refuse one request and accept the
        # next. A moment later it is clear which.
        failure = self._ping(timeout)
        for pause in DYING:
            if failure is None or failure.kind in (ErrorKind.NOT_THERE, ErrorKind.TIMEOUT):
                break
            time.sleep(pause)
            failure = self._ping(timeout)
        if failure is None:
            return
        if failure.kind in (ErrorKind.NOT_THERE, ErrorKind.CUT):
            raise StageFailed(Problem(f"the server died: {failure}", hint="read its log")) from failure
        raise self._conch_error(failure, "", timeout) from failure

    def _ping(self, timeout: float) -> RequestError | None:
        try:
            self._whole([{"role": "user", "content": "ping"}], max_tokens=1, timeout=timeout)
        except RequestError as error:
            return error
        return None

    def _timed(self, messages: Sequence[Message], **extra: object) -> tuple[Delta, float]:
        """The answer, and the seconds that it took."""
        started = time.monotonic()
        return self._whole(messages, timeout=None, **extra), time.monotonic() - started

    def _whole(self, messages: Sequence[Message], *, timeout: float | None = None, **extra: object) -> Delta:
        seconds = timeout or self._timeout
        with self._explained(seconds):
            answer = self._create(messages, timeout=limits(seconds), **extra)
            if isinstance(answer, str):
                raise RequestError(ErrorKind.ANSWER, f"the answer is not JSON: {answer[:80]!r}")
            if not getattr(answer, "choices", None):
                raise RequestError(ErrorKind.ANSWER, "the answer holds no choices")
            return self._delta(answer, "message")

    def _create(self, messages: Sequence[Message], **extra: object) -> object:
        """The response; token ids (vLLM's return_token_ids) are requested until a server refuses that."""
        create: Callable[..., object] = self._openai.chat.completions.create
        request = {"model": self.model, "messages": list(messages)} | self._settings | extra
        if not self._wants_ids:
            return create(**request)
        try:
            return create(**request, extra_body={"return_token_ids": True})
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            answer = create(**request)  # fails the same way if something else was refused
            self._wants_ids = False
            return answer

    def _delta(self, answer: object, part: str) -> Delta:
        self._check_model(getattr(answer, "model", None) or "")
        choices: Sequence[object] = getattr(answer, "choices", ())
        return delta_of(choices[0], part)

    def _check_model(self, answered: str) -> None:
        """Reject responses from another model; a server may list two names of one model."""
        if not answered or answered in self._aliases or answered.startswith(f"{self.model}-"):
            return
        listed = self._models() or ()
        if answered not in listed or self.model not in listed:
            raise RequestError(
                ErrorKind.ANSWER, f'another model answered: "{answered}" instead of "{self.model}"'
            )
        self._aliases.add(answered)

    def _models(self) -> list[str] | None:
        """The names that the server lists; None if it has no list."""
        try:
            with self._explained(LIST_TIMEOUT):
                listed = self._openai.models.list(timeout=LIST_TIMEOUT)
                return [str(model.id) for model in listed.data]
        except RequestError as error:
            if error.kind in (ErrorKind.NOT_SERVED, ErrorKind.REFUSED):
                return None
            raise
        except AttributeError:  # a list of another shape
            return None

    @contextmanager
    def _explained(self, timeout: float) -> Iterator[None]:
        try:
            yield
        except (openai.OpenAIError, httpx.HTTPError, ValueError, RuntimeError) as error:
            if self._http.is_closed:  # by another thread that needs no more answers
                raise RequestError(ErrorKind.NOT_THERE, "the conversation was cancelled") from error
            if isinstance(error, RuntimeError):
                raise
            raise request_error(error, url=self.base_url, timeout=timeout, key=self._key) from error

    def _conch_error(self, error: RequestError, hint: str, timeout: float) -> ConchError:
        what = str(error)
        match error.kind:
            case ErrorKind.NOT_THERE:
                return MissingError(Problem(what, hint=hint))
            case ErrorKind.KEY:
                return MissingError(Problem(what, hint="set CONCH_API_KEY, or give --key-file FILE"))
            case ErrorKind.TIMEOUT:
                what = f"{self.base_url} is up, but its engine gave no token within {timeout:g} s"
                return TimedOut(Problem(what, hint="read the server's log; restart it"))
            case ErrorKind.NOT_SERVED:
                return UsageError(Problem(what, self.base_url, "does the address need /v1 at its end?"))
        return StageFailed(Problem(what, self.base_url, "read the server's log"))


def _turn(sent: tuple[dict[str, str], ...], whole: Delta, seconds: float) -> Turn:
    return Turn(
        sent,
        whole.content,
        whole.reasoning,
        whole.finish_reason,
        whole.token_ids,
        seconds=seconds,
        tool_calls=whole.tool_calls,
    )


def _described(error: RequestError, tools: Sequence[Tool]) -> str:
    """The error, with an engine's hint about tools if it refused them."""
    if tools and error.kind is ErrorKind.REFUSED:
        for engine in ENGINES.values():
            for part, hint in engine.request_hints.items():
                if part in str(error):
                    return f"{error}; {hint}"
    return str(error)


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
