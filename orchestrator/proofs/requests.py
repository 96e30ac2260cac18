"""The ways in which clients ask a server for a trained answer, each as the request that they send.

What a request says about thinking must not contradict training: if a model was trained with and without
thoughts (mixed), an answer without one is requested without one, and the other way round. If it was trained
one way only, the prompt must not depend on what the client says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.probes.spellings import (
    SPELLINGS,
    Message,
    as_it_is,
    calls_of,
    has_dropped,
    is_bare,
    request_of,
)
from orchestrator.proofs.trained import RowIds, TurnIds
from orchestrator.results import Sentence
from orchestrator.templates.compare import TrainedAnswer
from orchestrator.templates.prompt_diff import Training

EFFORTS = ("none", "low", "high")

_CLIENTS = {
    "thought": Sentence("the conversation as it was trained", "与训练时一致的对话"),
    "answer": Sentence("the answer alone", "仅回答"),
    "newlines": Sentence("the answer with the parser's blank line", "带解析器空行的回答"),
    "reasoning": Sentence("the answer and its reasoning field", "回答及其 reasoning 字段"),
    "cleaned": Sentence(
        "the answer without its blank line, and its reasoning field", "去除开头空行的回答及其 reasoning 字段"
    ),
    "trimmed": Sentence(
        "the answer and its reasoning field, trimmed", "去除首尾空白的回答及其 reasoning 字段"
    ),
    "emitted": Sentence(
        "the answer as it was written, with its empty thought", "模型原样输出的回答，含空思考块"
    ),
}
OWN_ANSWER = Sentence("the server's own answer, unchanged", "服务端自己的回答，原样")

Extra = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Request:
    """One way to ask for one trained answer.

    Attributes:
        client: what its client sends. extra: further keys of the request.
        lossy: whether it drops a thought that was trained.
        completes: whether only a completion shows its prompt, not /tokenize.
    """

    client: str
    row: RowIds
    turn: TurnIds
    messages: Sequence[Message]
    extra: Extra = field(default_factory=dict)
    lossy: bool = False
    completes: bool = False

    @property
    def trained(self) -> TrainedAnswer:
        """The trained answer: its number, and the ids of its context and of its labels."""
        ids, start, end = self.row["ids"], self.turn["start"], self.turn["end"]
        return {"turn": self.turn["turn"], "context": ids[:start], "labels": ids[start:end]}


def requests_of(
    row: RowIds, messages: Sequence[Message], training: Training, *, completions: bool
) -> Iterator[Request]:
    """Every way in which clients ask for the trained answers of a row, whose conversation is `messages`.

    `completions` adds a completion for the last trained answer. With tools, every request declares them.
    """
    tools = declared(messages)
    for request in _requests(row, messages, training, completions=completions):
        yield replace(request, extra={**request.extra, **tools})


def _requests(
    row: RowIds, messages: Sequence[Message], training: Training, *, completions: bool
) -> Iterator[Request]:
    mixed = training.reasons and training.thinking is None
    for turn in row["turns"]:
        before, answer = before_answer(messages, turn["turn"])
        own = thinking_of(answer, mixed=mixed)
        yield from _spelled(row, turn, before, own, plain=not training.reasons)
        parts = [{**one, "content": [{"type": "text", "text": one["content"]}]} for one in before]
        yield Request(Sentence("content as a list", "列表形式的 content"), row, turn, parts, own)
        thinks = not is_bare(answer)
        for switch in (thinks,) if mixed else (True, False):
            extra = {"chat_template_kwargs": {"enable_thinking": switch}}
            yield Request(f"enable_thinking: {str(switch).lower()}", row, turn, before, extra)
        if completions and turn is row["turns"][-1]:
            yield from _completed(row, turn, before, own)
            for effort in EFFORTS:
                # vLLM 0.32 takes "none" for no thinking, and all others for thinking.
                if not mixed or (effort != "none") == thinks:
                    effort_ = {"reasoning_effort": effort}
                    yield Request(f"reasoning_effort: {effort}", row, turn, before, effort_, completes=True)


def before_answer(messages: Sequence[Message], turn: int) -> tuple[list[Message], Message]:
    """(the messages before an answer, the answer), as a client sends them."""
    _, messages = request_of(messages)
    answers = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
    return list(messages[: answers[turn]]), messages[answers[turn]]


def declared(messages: Sequence[Message]) -> Extra:
    """The tools of a conversation, as every request for one of its answers declares them."""
    tools, _ = request_of(messages)
    return {"tools": tools} if tools else {}


def template_options(answer: Message, *, mixed: bool) -> dict[str, object] | None:
    """The template options that belong to a trained answer; mixed: trained with and without thoughts.

    With mixed thinking, an answer without a thought was trained behind an empty one.
    """
    return {"enable_thinking": False} if mixed and is_bare(answer) else None


def thinking_of(answer: Message, *, mixed: bool) -> Extra:
    """What a request for this answer must say."""
    options = template_options(answer, mixed=mixed)
    return {"chat_template_kwargs": options} if options else {}


def _spelled(
    row: RowIds, turn: TurnIds, before: Sequence[Message], own: Extra, *, plain: bool
) -> Iterator[Request]:
    ways = {name: as_it_is(spell) if plain else spell for name, spell in SPELLINGS.items()}
    many = any(one["role"] == "assistant" for one in before)
    for name, spell in ways.items() if many else [("thought", dict)]:
        sent = [spell(one) | calls_of(one) if one["role"] == "assistant" else one for one in before]
        yield Request(_CLIENTS[name], row, turn, sent, own, lossy=has_dropped(before, [name]))


def _completed(row: RowIds, turn: TurnIds, before: Sequence[Message], own: Extra) -> Iterator[Request]:
    yield Request(Sentence("a completion", "补全请求"), row, turn, before, own, completes=True)
    if not any(one["role"] == "assistant" for one in before):
        return
    # vLLM 0.32 renames this field in a completion (protocol.py, _normalize_messages_before); its /tokenize,
    # which no chat client calls, drops it.
    spell = SPELLINGS["reasoning"]
    sent = [_renamed(spell(one)) | calls_of(one) if one["role"] == "assistant" else one for one in before]
    name = Sentence("a reasoning_content field", "reasoning_content 字段")
    yield Request(name, row, turn, sent, own, completes=True)


def _renamed(message: Message) -> Message:
    return {("reasoning_content" if key == "reasoning" else key): value for key, value in message.items()}
