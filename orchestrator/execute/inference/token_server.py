"""A server that takes and shows token ids: /tokenize, /detokenize, and completions of a prompt of ids.

Used where the ids of training must reach the served weights unchanged. An engine without these endpoints
says so in its limitations (backends/serving_engine.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import httpx

from orchestrator.errors import MissingError, Problem, StageFailed, TimedOut
from orchestrator.execute.inference.api_key import ServiceAddress
from orchestrator.execute.inference.request_errors import ErrorKind, read_json, request_error, status_error
from orchestrator.execute.inference.transport import http_client

TIMEOUT = 300.0
# The scores of a row of 100,000 tokens are a hundred bytes each.
SCORES_LIMIT = 64 * 1024 * 1024
PINNED = "serve with the pinned version of the engine: conch serve"

CLASSIFY = "/classify"

Message = Mapping[str, object]


def score_in(answer: object) -> float:
    """The score in an answer of /classify, which has one label.

    Raises:
        ValueError: it has another shape.
    """
    try:
        ((score,),) = [one["probs"] for one in answer["data"]]  # type: ignore[index]  # what is wrong is caught
        if math.isfinite(score):
            return float(score)
    except (KeyError, TypeError, ValueError):
        pass
    raise ValueError("the answer is not one finite score")


class Completion(NamedTuple):
    """A greedy answer: its ids, its text, and why it ended."""

    ids: list[int]
    text: str
    finish: str


class TokenServer:
    """One model of a server; a context manager.

    Its methods raise ValueError where the server refuses the request, MissingError for a wrong key or a
    missing endpoint, StageFailed if it died or its answer has an unknown shape, and TimedOut.
    """

    def __init__(self, base_url: str, model: str, key: str) -> None:
        self.base_url = base_url.rstrip("/")
        self.model = model
        self._root = self.base_url.removesuffix("/v1")
        self._key = key
        self._http = http_client(self.base_url, key, TIMEOUT, most=SCORES_LIMIT)

    @classmethod
    def of_environment(cls) -> Self:
        """The service of this stage. Raises MissingError if there is none."""
        service = ServiceAddress.of_environment()
        return cls(service.url, service.model, service.key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def logprobs(self, ids: Sequence[int], start: int, *, text: str = "") -> list[float]:
        """The log probability of each id from `start` on, given all ids before it.

        `text` is sent in place of the ids that it stands for, without a mark before it.
        """
        prompt = {"prompt": text, "add_special_tokens": False} if text else {"prompt": list(ids)}
        answer = self._completion({**prompt, "max_tokens": 1, "prompt_logprobs": 1})
        try:
            scores = answer["choices"][0]["prompt_logprobs"]
            return [float(scores[at][str(ids[at])]["logprob"]) for at in range(start, len(ids))]
        except (KeyError, IndexError, TypeError):
            what = "the server returns no prompt_logprobs"
            raise StageFailed(Problem(what, self.base_url, PINNED)) from None

    def complete(self, ids: Sequence[int], max_tokens: int) -> Completion:
        """The greedy continuation of these ids."""
        body = {"prompt": list(ids), "max_tokens": max_tokens, "return_token_ids": True}
        answer = self._completion(body)
        try:
            (choice,) = answer["choices"]
            tokens = [int(token) for token in choice.get("token_ids") or ()]
            return Completion(tokens, str(choice["text"]), str(choice["finish_reason"] or ""))
        except (KeyError, TypeError, ValueError):
            what = "the answer of the server's /v1/completions has an unknown shape"
            raise StageFailed(Problem(what, self.base_url, PINNED)) from None

    def prompt(
        self,
        messages: Sequence[Message],
        template_options: Mapping[str, object] | None,
        *,
        generation: bool = True,
        tools: Sequence[Mapping[str, object]] = (),
    ) -> list[int]:
        """The ids that the server makes of a chat request, with or without the start of an answer."""
        body: dict[str, object] = {"messages": list(messages), "add_generation_prompt": generation}
        if template_options:
            body["chat_template_kwargs"] = template_options
        if tools:
            body["tools"] = list(tools)
        return self._tokens(body)

    def _tokens(self, body: Mapping[str, object]) -> list[int]:
        answer = self._post(f"{self._root}/tokenize", body)
        try:
            return [int(token) for token in answer["tokens"]]
        except (KeyError, TypeError, ValueError):
            what = "the server's /tokenize returns no token ids"
            raise StageFailed(Problem(what, self.base_url, PINNED)) from None

    def raw_prompt(self, text: str, *, marked: bool) -> list[int]:
        """The ids that the server makes of the text of a completion, with or without a mark before it."""
        return self._tokens({"prompt": text, "add_special_tokens": marked})

    def score(self, ids: Sequence[int]) -> float:
        """A reward model's score of these ids."""
        return self._classified({"input": list(ids)})

    def score_messages(
        self, messages: Sequence[Message], template_options: Mapping[str, object] | None = None
    ) -> float:
        """A reward model's score of a conversation that ends with an answer, as a client sends it."""
        options = {"chat_template_kwargs": template_options} if template_options else {}
        return self._classified({"messages": list(messages), **options})

    def _classified(self, body: Mapping[str, object]) -> float:
        answer = self._post(f"{self._root}{CLASSIFY}", body)
        try:
            return score_in(answer)
        except ValueError as error:
            raise StageFailed(Problem(f"the server's {CLASSIFY}: {error}", self.base_url, PINNED)) from None

    def text_of(self, ids: Sequence[int]) -> str:
        """The text of ids; "" if the server does not have /detokenize."""
        if not ids:
            return ""
        try:
            answer = self._post(f"{self._root}/detokenize", {"tokens": list(ids)})
        except MissingError:
            return ""
        text = str(answer.get("prompt", "")) if isinstance(answer, dict) else ""
        return text.strip("\ufffd")  # half a character at either end

    def _completion(self, body: Mapping[str, object]) -> Any:
        return self._post(f"{self.base_url}/completions", {"temperature": 0, **body})

    def _post(self, url: str, body: Mapping[str, object]) -> Any:
        try:
            response = self._http.post(url, json={"model": self.model, **body})
            answer = (read_json(response.content) or {}) if response.status_code == httpx.codes.OK else None
        except (httpx.HTTPError, ValueError) as error:
            problem = request_error(error, url=self.base_url, timeout=TIMEOUT, key=self._key)
            kind = TimedOut if problem.kind is ErrorKind.TIMEOUT else StageFailed
            raise kind(Problem(str(problem), url, "read the server's log")) from None
        if answer is None:
            self._refuse(response, url)
        return answer

    def _refuse(self, response: httpx.Response, url: str) -> None:
        """Raise what a status other than 200 means."""
        status = response.status_code
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            what = f"the server requires a key, or a different one (HTTP {status})"
            raise MissingError(Problem(what, url, "set CONCH_API_KEY"))
        if status == httpx.codes.NOT_FOUND:
            raise MissingError(Problem("the server does not know this model or address (HTTP 404)", url))
        told = str(status_error(response, self._key))
        if response.is_client_error:
            raise ValueError(told)
        raise StageFailed(Problem(told, url, "read the server's log"))
