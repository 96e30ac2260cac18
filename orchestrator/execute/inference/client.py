"""A client for any OpenAI-compatible server; every failure is one sentence.

It retries only where the server says when (Retry-After). The key comes from CONCH_API_KEY or a file, never
from the user's OPENAI_* variables (transport.py).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Self

import httpx

from orchestrator.backends.engines import ENGINES
from orchestrator.errors import ConchError, MissingError, Problem, StageFailed, TimedOut, UsageError
from orchestrator.execute.inference.api_key import checked_url
from orchestrator.execute.inference.delta import Delta, delta_of, joined
from orchestrator.execute.inference.request_errors import (
    LONGEST,
    ErrorKind,
    RequestError,
    read_json,
    request_error,
    status_error,
    with_retries,
)
from orchestrator.execute.inference.server_events import events
from orchestrator.execute.inference.transport import http_client, limits
from orchestrator.outside import Outside, listed
from orchestrator.results import Turn

CANARY_TIMEOUT = 60.0
LIST_TIMEOUT = 10.0
LONGEST_NAME = 200
MOST_SECONDS = 86_400.0
DYING = (0.1, 0.3, 1.0)

Message = Mapping[str, object]
Tool = Mapping[str, object]


def answer_timeout() -> float:
    """Seconds for a whole answer: CONCH_ANSWER_TIMEOUT, otherwise 300."""
    text = os.environ.get("CONCH_ANSWER_TIMEOUT", "") or "300"
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MOST_SECONDS:
        hint = "set it to a number of seconds, for example 600, or unset it"
        raise UsageError(Problem(f"not a time: {Outside(text)}", "CONCH_ANSWER_TIMEOUT", hint))
    return seconds


class Client:
    """Asks one model of one server; safe to use from several threads.

    `max_tokens` and `temperature` None mean the server's defaults; `timeout` is in seconds, for a whole
    answer, None for CONCH_ANSWER_TIMEOUT.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        key: str = "",
        max_tokens: int | None = None,
        temperature: float | None = None,
        timeout: float | None = None,
    ) -> None:
        self.base_url = checked_url(base_url)
        self.model = model
        self._key = key
        self._timeout = answer_timeout() if timeout is None else timeout
        self._patience = min(LONGEST, self._timeout)
        self._http = http_client(self.base_url, key, self._timeout)
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
        sent = tuple(map(_shown, messages))
        extra = {**({"seed": seed} if seed else {}), **({"tools": list(tools)} if tools else {})}
        try:
            whole, seconds = with_retries(lambda: self._timed(messages, **extra), longest=self._patience)
        except RequestError as error:
            return Turn(sent, error=_described(error, tools))
        turn = _turn(sent, whole, seconds)
        if not streamed:
            return turn
        try:
            streamed_whole = with_retries(
                lambda: joined(self.stream(messages, **extra)), longest=self._patience
            )
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
        sent = tuple(map(_shown, messages))
        form = {"name": name, "strict": True, "schema": dict(schema)}
        constraint = {"response_format": {"type": "json_schema", "json_schema": form}}
        try:
            try:
                whole, seconds = self._timed(messages, **(constraint if self._takes_schemas else {}))
            except RequestError as error:
                if error.kind is not ErrorKind.REFUSED or not self._takes_schemas:
                    raise
                whole, seconds = self._timed(messages)  # fails the same way if something else was refused
                self._takes_schemas = False
        except RequestError as error:
            return Turn(sent, error=str(error))
        return replace(_turn(sent, whole, seconds), tool_calls=())

    def stream(self, messages: Sequence[Message], **extra: object) -> Iterator[Delta]:
        """The answer in deltas; closing the iterator ends the request. Raises RequestError."""
        seconds, done = self._timeout, False
        with (
            self._explained(seconds),
            closing(self._create(messages, seconds, stream=True, **extra)) as answer,
        ):
            for event in events(answer.iter_bytes()):
                done = event == "[DONE]"
                if done:
                    break
                chunk = _answer_of(read_json(event.encode()), self._key)
                if chunk.get("choices"):
                    yield self._delta(chunk, "delta")
        if not done:
            raise RequestError(ErrorKind.ANSWER, "the stream broke off: it ended without [DONE]")

    def reach(self, hint: str = "", *, timeout: float | None = None) -> None:
        """Make sure, with one token, that the server answers under the model's name.

        Raises MissingError if nothing listens there or it requires another key, UsageError if it serves other
        models, TimedOut if its engine does not answer, and StageFailed for an invalid answer.
        """
        timeout = min(CANARY_TIMEOUT, self._timeout) if timeout is None else timeout
        self.is_listed(hint, timeout=timeout)
        failure = self._ping(timeout)
        if failure is not None:
            raise self._conch_error(failure, hint, timeout) from failure

    def is_listed(self, hint: str = "", *, timeout: float = CANARY_TIMEOUT) -> None:
        """Make sure that the server lists the model, if it lists any; raises as reach()."""
        try:
            names = self._models()
            if names is not None and Outside(self.model) not in names:
                raise _not_served(self.model, names)
        except RequestError as error:
            raise self._conch_error(error, hint, timeout) from error

    def still_there(self, *, timeout: float | None = None) -> None:
        """After a failed request: return if the server still answers others.

        Raises StageFailed if it died, TimedOut if its engine does not answer; for a wrong key or model as
        reach().
        """
        timeout = min(CANARY_TIMEOUT, self._timeout) if timeout is None else timeout
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
        with self._explained(seconds), closing(self._create(messages, seconds, **extra)) as response:
            answer = _answer_of(read_json(response.read()), self._key)
            if not answer.get("choices"):
                raise RequestError(ErrorKind.ANSWER, "the answer holds no choices")
            return self._delta(answer, "message")

    def _create(self, messages: Sequence[Message], seconds: float, **extra: object) -> httpx.Response:
        """The response; token ids (vLLM's return_token_ids) are requested until a server refuses that."""
        body = {"model": self.model, "messages": list(messages)} | self._settings | extra
        if not self._wants_ids:
            return self._send("POST", "chat/completions", seconds, body)
        try:
            return self._send("POST", "chat/completions", seconds, body | {"return_token_ids": True})
        except RequestError as error:
            if error.status not in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY):
                raise
        # Fails the same way if something else was refused.
        response = self._send("POST", "chat/completions", seconds, body)
        self._wants_ids = False
        return response

    def _send(self, method: str, path: str, seconds: float, body: object = None) -> httpx.Response:
        """A successful response, its body unread. Raises RequestError for another status."""
        request = self._http.build_request(
            method, f"{self.base_url}/{path}", json=body, timeout=limits(seconds)
        )
        response = self._http.send(request, stream=True)
        if response.is_success:
            return response
        with closing(response):
            response.read()
            raise status_error(response, self._key)

    def _delta(self, answer: Mapping[str, object], part: str) -> Delta:
        named, choices = answer.get("model"), answer.get("choices")
        self._check_model(named if isinstance(named, str) else "")
        if not isinstance(choices, list):
            raise ValueError('the answer has an unknown shape: "choices" is not a list')  # noqa: TRY004
        return delta_of(choices[0], part)

    def _check_model(self, answered: str) -> None:
        """Reject responses from another model; a server may list two names of one model."""
        if not answered or answered in self._aliases or answered.startswith(f"{self.model}-"):
            return
        names = self._models() or ()
        if not {Outside(answered), Outside(self.model)} <= set(names):
            what = f'another model answered: "{Outside(answered)}" instead of "{self.model}"'
            raise RequestError(ErrorKind.ANSWER, what)
        self._aliases.add(answered)

    def _models(self) -> list[Outside] | None:
        """The names that the server lists; None if it has no list."""
        seconds = min(LIST_TIMEOUT, self._timeout)
        try:
            with self._explained(seconds), closing(self._send("GET", "models", seconds)) as response:
                found = read_json(response.read())
        except RequestError as error:
            if error.kind in (ErrorKind.NOT_SERVED, ErrorKind.REFUSED):
                return None
            raise
        rows = found.get("data") if isinstance(found, dict) else None
        if not isinstance(rows, list):  # a list of another shape
            return None
        names = (row.get("id") for row in rows if isinstance(row, dict))
        return [Outside(name, secrets=(self._key,), limit=LONGEST_NAME) for name in names if name is not None]

    @contextmanager
    def _explained(self, timeout: float) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError, RuntimeError) as error:
            if self._http.is_closed:  # by another thread that needs no more answers
                raise RequestError(ErrorKind.NOT_THERE, "the conversation was cancelled") from error
            if isinstance(error, RuntimeError) and not isinstance(error, httpx.StreamError):
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
                came = what.partition(";")[2]
                what = f"{self.base_url} is up, but its engine gave no token within {timeout:g} s"
                what += f";{came}" if came else ""
                return TimedOut(Problem(what, hint="read the server's log; restart it"))
            case ErrorKind.NOT_SERVED:
                return UsageError(Problem(what, self.base_url, "does the address need /v1 at its end?"))
        return StageFailed(Problem(what, self.base_url, "read the server's log"))


def _shown(message: Message) -> dict[str, str]:
    """A message for the transcript: its calls stand in the place of an empty content."""
    calls = json.dumps(message["tool_calls"], ensure_ascii=False) if "tool_calls" in message else ""
    return {"role": str(message["role"]), "content": str(message["content"]) or calls}


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


def _answer_of(value: object, key: str) -> Mapping[str, object]:
    """A JSON object that reports no error."""
    if not isinstance(value, dict):
        raise ValueError("the answer has an unknown shape: it is not an object")  # noqa: TRY004
    error = value.get("error")
    if error:
        said = error.get("message", error) if isinstance(error, dict) else error
        what = f"the server reported an error: {Outside(said, secrets=(key,))}"
        raise RequestError(ErrorKind.ANSWER, what)
    return value


def _not_served(model: str, names: Sequence[Outside]) -> UsageError:
    hint = f"--model {names[0]}" if len(names) == 1 else "name one of them with --model"
    return UsageError(Problem(f'no model "{model}" there; served: {listed(names)}', "--model", hint))
