"""The two sides of a difference as text: what stands before it and behind it, and what shows its cause."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from orchestrator.templates.pieces import Pieces
from orchestrator.templates.writer import LAYOUTS

# Family → the marks before an answer, and its block of a system prompt. A user may have typed another
# family's marks anywhere, but what stands last is the template's.
FAMILIES = {
    "DeepSeek's (<｜User｜>)": ("<｜Assistant｜>", r"((?:(?!<｜User｜>).)+)<｜User｜>"),
    "ChatML's (<|im_start|>, as Qwen and SmolLM2 have it)": (
        "<|im_start|>assistant",
        r"<\|im_start\|>system\n(.*?)<\|im_end\|>",
    ),
    "Llama 3's (<|start_header_id|>)": (
        "<|start_header_id|>assistant",
        r"<\|start_header_id\|>system<\|end_header_id\|>\n\n(.*?)<\|eot_id\|>",
    ),
}
_ANSWER_FOLLOWS = re.compile(r"(<｜Assistant｜>|assistant\n|assistant<\|end_header_id\|>\n\n|</think>\n\n)\Z")
_CONTROL = re.compile(r"<[|｜][^<>]+[|｜]>|</?think>")
_MANY = {"\n": "newline", " ": "space", "\t": "tab"}
# So many characters behind a white space, white space aside, must be the same for it to be the difference.
_ALIKE = 4
_SEEN = 40


@dataclass(frozen=True, slots=True)
class Training:
    """How it was trained, as far as it explains a difference.

    Attributes:
        template: LLaMA-Factory's; "" when not known.
        thinking: its enable_thinking; None is mixed.
        mask_history: whether earlier answers lost their thoughts.
        bos: the id of the begin-of-sentence token, None for none.
    """

    template: str = ""
    thinking: bool | None = True
    mask_history: bool = False
    bos: int | None = None

    @property
    def keeps_thoughts(self) -> bool:
        """Whether earlier answers were trained with their thoughts: a plain template takes none out."""
        return not self.reasons or (not self.mask_history and self.thinking is not False)

    @property
    def reasons(self) -> bool:
        """Whether its template adds and removes thoughts; one that Conch does not know is taken to."""
        return self.template not in LAYOUTS or LAYOUTS[self.template].reasons


@dataclass(frozen=True, slots=True)
class Difference:
    """Two lists of ids and the place where they part.

    Attributes:
        kind: prefill, missing, forced or differs.
        context, labels: of training; served: the prompt.
        error: why the server refuses the request, "" when it does not.
    """

    kind: str
    position: int
    context: Sequence[int]
    labels: Sequence[int]
    served: Sequence[int]
    error: str = ""


@dataclass(frozen=True)
class PromptDiff:
    """Training's ids and the server's, and the position where they part.

    Attributes:
        context, labels: the trained prompt and answer; prompt: the served one.
        position: of the first id that differs; bos: begin-of-sentence, None for none.
        ours, theirs: the texts of the ids.
    """

    context: Sequence[int]
    labels: Sequence[int]
    prompt: Sequence[int]
    position: int
    bos: int | None
    ours: Pieces
    theirs: Pieces

    @classmethod
    def of(cls, difference: Difference, bos: int | None, pieces: tuple[Pieces, Pieces]) -> PromptDiff:
        """The sides of a difference."""
        one = difference
        return cls(one.context, one.labels, one.served, one.position, bos, *pieces)

    @cached_property
    def trained(self) -> str:
        """The trained prompt from the difference on."""
        return self.ours.text(self.context[self.position :])

    @cached_property
    def served(self) -> str:
        """The served prompt from the difference on."""
        return self.theirs.text(self.prompt[self.position :])

    @cached_property
    def before(self) -> str:
        """What both have before the difference."""
        return self.ours.text(self.context[: self.position])

    @cached_property
    def forced(self) -> str:
        """What the server sends beyond the trained prompt."""
        return self.theirs.text(self.prompt[len(self.context) :])

    @cached_property
    def answer(self) -> str:
        """What was trained there."""
        return self.ours.text(self.labels)

    @property
    def families(self) -> tuple[str, str]:
        """Whose marks stand before the answer, of training and of serving; "" where none of them does."""
        return _family(self.before + self.trained), _family(self.before + self.served)

    @cached_property
    def systems(self) -> tuple[str | None, str | None]:
        """The system prompts of both; None where there is no block for one."""
        bos = "" if self.bos is None else self.ours.text([self.bos])
        ours, theirs = self.before + self.trained, self.before + self.served
        return _system(ours, bos), _system(theirs, bos)

    @property
    def one_token(self) -> tuple[str, bool] | None:
        """(a control token, whether training has it) that is one token here and plain text there."""
        at = self.position
        first = self.ours.text(self.context[at : at + 1]), self.theirs.text(self.prompt[at : at + 1])
        for mine, its, text in ((*first, self.served), (*reversed(first), self.trained)):
            if _CONTROL.fullmatch(mine) and mine != its and text.startswith(mine):
                return mine, mine == first[0]
        return None

    @cached_property
    def white(self) -> WhiteSpace | None:
        """The white space that is all that differs, as far as one can see; None when it is not."""
        shared = _shared(self.trained, self.served)
        behind = [text[shared:] for text in (self.trained, self.served)]
        rests = [text.lstrip() for text in behind]
        before = self.before + self.trained[:shared]
        if behind == rests or _gist(rests[0]) != _gist(rests[1]):
            return None
        common = before[len(before.rstrip()) :]
        runs = [common + text[: len(text) - len(rest)] for text, rest in zip(behind, rests, strict=True)]
        return WhiteSpace(before.rstrip(), before, runs[0], runs[1], rests[0])


@dataclass(frozen=True, slots=True)
class WhiteSpace:
    """Two runs of white space at the same place.

    Attributes:
        word: what stands before the runs; before: the same with the white space that both have.
        trained, served: the runs; after: what follows them.
    """

    word: str
    before: str
    trained: str
    served: str
    after: str

    @property
    def added(self) -> bool:
        """Whether the server has more of it."""
        return len(self.served) > len(self.trained)

    @property
    def extra(self) -> str:
        """What the longer run has more."""
        less, more = sorted((self.trained, self.served), key=len)
        return "".join((Counter(more) - Counter(less)).elements())

    @property
    def said(self) -> str:
        """`one newline more`, `2 spaces less`, or `other white space`: what the served prompt has."""
        less, more = sorted((self.trained, self.served), key=len)
        if Counter(less) - Counter(more):
            return "other white space"
        told = " and ".join(
            f"one {_MANY.get(kind, repr(kind))}"
            if number == 1
            else f"{number} {_MANY.get(kind, repr(kind))}s"
            for kind, number in Counter(self.extra).items()
        )
        return f"{told} {'more' if self.added else 'less'}"

    @property
    def opens_answer(self) -> bool:
        """Whether an answer begins where the two part."""
        return bool(_ANSWER_FOLLOWS.search(self.before))

    @property
    def edges_content(self) -> bool:
        """Whether it stands at an edge of a message, where a template that trims would take it."""
        return bool(_CONTROL.match(self.after) or _CONTROL.search(self.word[-30:])) or not self.after


def is_unreachable(difference: Difference, pieces: tuple[Pieces, Pieces]) -> bool:
    """Whether both sides are the same text in other ids: a text has one encoding, so no template gets there.

    A control token on one side that is plain text on the other is no such case: there the tokenizers differ.
    """
    if difference.error or pieces[0].raw(difference.context) != pieces[1].raw(difference.served):
        return False
    return PromptDiff.of(difference, None, pieces).one_token is None


def _gist(text: str) -> str:
    return "".join(text[:_SEEN].split())[:_ALIKE]


def _family(text: str) -> str:
    found = {name: text.rfind(mark) for name, (mark, _) in FAMILIES.items()}
    last = max(found, key=lambda name: found[name])
    return last if found[last] >= 0 else ""


def _system(text: str, bos: str) -> str | None:
    family = _family(text)
    if not family:
        return None
    mark, block = FAMILIES[family]
    # SmolLM2's begin-of-sentence token is the mark that opens every message.
    found = re.match(block, text if mark.startswith(bos) else text.removeprefix(bos), re.DOTALL)
    return found.group(1) if found else None


def _shared(ours: str, theirs: str) -> int:
    """How many characters the two have in common at their beginnings."""
    pairs = zip(ours, theirs, strict=False)
    return next(
        (place for place, (one, other) in enumerate(pairs) if one != other), min(len(ours), len(theirs))
    )
