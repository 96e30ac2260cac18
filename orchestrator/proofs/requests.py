"""The ways in which clients ask a server for an answer that was trained, each as the request they send.

What a request says of thinking must not contradict what was trained: where a model was trained with and
without thoughts (mixed), an answer without one is asked for without one, and the other way round. Where it
was trained one way only, the prompt must not depend on what the client says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.probes.spellings import SPELLINGS, Message, as_it_is, has_dropped, is_bare
from orchestrator.templates.explain import Training

EFFORTS = ("none", "low", "high")

_CLIENTS = {
    "thought": "the conversation as it was trained",
    "answer": "the answer alone",
    "newlines": "the answer with the parser's blank line",
    "reasoning": "the answer and its reasoning field",
    "trimmed": "the answer and its reasoning field, trimmed",
    "emitted": "the answer as it was written, its empty thought included",
}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One way to ask for one trained answer.

    Attributes:
        client: what its client sends, in words. row, turn: of training_ids.jsonl.
        messages: what is sent; extra: what else stands in the request.
        lossy: whether it drops a thought that was trained.
        completes: whether only a completion shows its prompt, and not /tokenize.
    """

    client: str
    row: Row
    turn: Row
    messages: Sequence[Message]
    extra: Mapping[str, Any] = field(default_factory=dict)
    lossy: bool = False
    completes: bool = False

    @property
    def trained(self) -> dict[str, Any]:
        """The trained answer: its number, its context and its labels, the two as ids."""
        ids, start, end = self.row["ids"], self.turn["start"], self.turn["end"]
        return {"turn": self.turn["turn"], "context": ids[:start], "labels": ids[start:end]}


def requests_of(
    row: Row, messages: Sequence[Message], training: Training, *, completions: bool
) -> Iterator[Request]:
    """Every way in which clients ask for the trained answers of a row.

    Args:
        row: of training_ids.jsonl.
        messages: the same conversation.
        training: how it was trained.
        completions: whether to ask for completions too, of the last trained answer.
    """
    mixed = training.reasons and training.thinking is None
    for turn in row["turns"]:
        before, answer = before_answer(messages, turn["turn"])
        own = thinking_of(answer, mixed=mixed)
        yield from _spelled(row, turn, before, own, plain=not training.reasons)
        parts = [{**one, "content": [{"type": "text", "text": one["content"]}]} for one in before]
        yield Request("content as a list", row, turn, parts, own)
        wanted = not is_bare(answer)
        for switch in (wanted,) if mixed else (True, False):
            name, told = f"enable_thinking: {str(switch).lower()}", {"enable_thinking": switch}
            yield Request(name, row, turn, before, {"chat_template_kwargs": told})
        if completions and turn is row["turns"][-1]:
            yield from _completed(row, turn, before, own)
            for effort in EFFORTS:
                # vLLM 0.32 takes "none" for no thinking, and all others for thinking.
                if not mixed or (effort != "none") == wanted:
                    name, told_ = f"reasoning_effort: {effort}", {"reasoning_effort": effort}
                    yield Request(name, row, turn, before, told_, completes=True)


def before_answer(messages: Sequence[Message], turn: int) -> tuple[list[Message], Message]:
    """(the messages before an answer, the answer)."""
    answers = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
    return list(messages[: answers[turn]]), messages[answers[turn]]


def thinking_of(answer: Message, *, mixed: bool) -> dict[str, Any]:
    """What a request must say to be asked for this answer; mixed: trained with and without thoughts."""
    return {"chat_template_kwargs": {"enable_thinking": False}} if mixed and is_bare(answer) else {}


def _spelled(
    row: Row, turn: Row, before: Sequence[Message], own: Mapping[str, Any], *, plain: bool
) -> Iterator[Request]:
    ways = {name: as_it_is(spell) if plain else spell for name, spell in SPELLINGS.items()}
    many = any(one["role"] == "assistant" for one in before)
    for name, spell in ways.items() if many else [("thought", dict)]:
        sent = [spell(one) if one["role"] == "assistant" else one for one in before]
        yield Request(_CLIENTS[name], row, turn, sent, own, lossy=has_dropped(before, [name]))


def _completed(row: Row, turn: Row, before: Sequence[Message], own: Mapping[str, Any]) -> Iterator[Request]:
    yield Request("a completion", row, turn, before, own, completes=True)
    if not any(one["role"] == "assistant" for one in before):
        return
    # vLLM 0.32 renames this field in a completion (protocol.py, _normalize_messages_before); its /tokenize,
    # which no chat client calls, drops it.
    sent = [_renamed(SPELLINGS["reasoning"](one)) if one["role"] == "assistant" else one for one in before]
    yield Request("a reasoning_content field", row, turn, sent, own, completes=True)


def _renamed(message: Message) -> Message:
    return {("reasoning_content" if key == "reasoning" else key): value for key, value in message.items()}
