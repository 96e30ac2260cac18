"""The trained and the served prompt as text: what precedes and follows their first difference."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from orchestrator.results import Sentence, joined
from orchestrator.templates.families import FAMILIES, layouts
from orchestrator.templates.families.base import Family
from orchestrator.templates.pieces import Pieces

_CONTROL = re.compile(r"<[|｜][^<>]+[|｜]>|</?think>")
_NAMES = {"\n": Sentence("newline", "换行"), " ": Sentence("space", "空格"), "\t": Sentence("tab", "制表符")}
# White space is the whole difference if this many characters after it, other white space aside, are equal.
_ALIKE = 4
_COMPARED = 40


@dataclass(frozen=True, slots=True)
class Training:
    """The training settings that explain a difference; `thinking` None is mixed, `bos` an id."""

    template: str = ""
    thinking: bool | None = True
    mask_history: bool = False
    bos: int | None = None

    @property
    def keeps_thoughts(self) -> bool:
        """Whether earlier answers were trained with their thoughts; a plain template removes none."""
        return not self.reasons or (not self.mask_history and self.thinking is not False)

    @property
    def reasons(self) -> bool:
        """Whether the template adds and removes thoughts; assumed for an unknown template."""
        layout = layouts().get(self.template)
        return layout is None or layout.reasons


@dataclass(frozen=True, slots=True)
class Difference:
    """Two lists of ids and their first difference; `error`: why the server rejects the request."""

    kind: str
    position: int
    context: Sequence[int]
    labels: Sequence[int]
    served: Sequence[int]
    error: str = ""


@dataclass(frozen=True)
class PromptDiff:
    """A difference with the texts of its ids, of training (ours) and of serving (theirs)."""

    difference: Difference
    training: Training
    ours: Pieces
    theirs: Pieces

    @property
    def position(self) -> int:
        """The position of the first id that differs."""
        return self.difference.position

    @cached_property
    def trained(self) -> str:
        """The trained prompt from the difference on."""
        return self.ours.text(self.difference.context[self.position :])

    @cached_property
    def served(self) -> str:
        """The served prompt from the difference on."""
        return self.theirs.text(self.difference.served[self.position :])

    @cached_property
    def before(self) -> str:
        """The common text before the difference."""
        return self.ours.text(self.difference.context[: self.position])

    @cached_property
    def forced(self) -> str:
        """What the server sends after the trained prompt."""
        return self.theirs.text(self.difference.served[len(self.difference.context) :])

    @cached_property
    def answer(self) -> str:
        """The trained answer."""
        return self.ours.text(self.difference.labels)

    @property
    def tools_mark(self) -> str:
        """A text that the training template's declaration of tools has; "" for an unknown template."""
        layout = layouts().get(self.training.template)
        return layout.tools.mark if layout else ""

    @property
    def asked(self) -> bool:
        """Whether a question comes before the difference."""
        families = (one for one in FAMILIES.values() if self.training.template in one.layouts)
        marks = [family.answer_mark for family in families]
        return any(mark in self.before + self.trained[: len(mark)] for mark in marks)

    @property
    def answering(self) -> bool:
        """Whether the difference lies in an answer, after the last mark before one."""
        layout = layouts().get(self.training.template)
        if layout is None:
            return False
        opened = self.before.rpartition(layout.opens)[2]
        return layout.opens in self.before and not re.search(r"<[|｜]", opened)

    @property
    def families(self) -> tuple[str, str]:
        """The labels of the families that wrote the trained and the served prompt; "" if none matches."""
        found = (_family(self.before + text) for text in (self.trained, self.served))
        ours, theirs = ("" if family is None else family.label for family in found)
        return ours, theirs

    @cached_property
    def systems(self) -> tuple[str | None, str | None]:
        """The system prompts of both; None without one."""
        bos = "" if self.training.bos is None else self.ours.text([self.training.bos])
        return _system(self.before + self.trained, bos), _system(self.before + self.served, bos)

    @property
    def one_token(self) -> tuple[str, bool] | None:
        """(control token, whether it is training's) that is one token on one side only, else None."""
        at = self.position
        first = (
            self.ours.text(self.difference.context[at : at + 1]),
            self.theirs.text(self.difference.served[at : at + 1]),
        )
        for mine, its, text in ((*first, self.served), (*reversed(first), self.trained)):
            if _CONTROL.fullmatch(mine) and mine != its and text.startswith(mine):
                return mine, mine == first[0]
        return None

    @cached_property
    def white(self) -> WhiteSpace | None:
        """The white space that is the whole difference; None if more differs."""
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
    """Two runs of white space at the same position; `word` is before them, `after` follows them."""

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
        """What the longer run has in addition."""
        less, more = sorted((self.trained, self.served), key=len)
        return "".join((Counter(more) - Counter(less)).elements())

    @property
    def amount(self) -> Sentence:
        """What the served prompt has: `one newline more`, `2 spaces less`, or `different white space`."""
        less, more = sorted((self.trained, self.served), key=len)
        if Counter(less) - Counter(more):
            return Sentence("different white space", "的空白不同")
        counted = joined(
            (_count(character, number) for character, number in Counter(self.extra).items()), " and ", "和"
        )
        word, word_zh = ("more", "多了") if self.added else ("less", "少了")
        return Sentence(f"{counted} {word}", f"{word_zh}{counted.zh}")

    @property
    def opens_answer(self) -> bool:
        """Whether an answer begins at the difference."""
        prefixes = tuple(layout.opens for layout in layouts().values())
        return self.before.endswith((*prefixes, "</think>\n\n"))

    @property
    def edges_content(self) -> bool:
        """Whether it is at an edge of a message, where a template that trims removes it."""
        return bool(_CONTROL.match(self.after) or _CONTROL.search(self.word[-30:])) or not self.after


def is_unreachable(difference: Difference, pieces: tuple[Pieces, Pieces]) -> bool:
    """Whether both sides are the same text with other ids: a text has one encoding, so no template helps.

    A control token on one side that is plain text on the other does not count: there the tokenizers differ.
    """
    if difference.error or pieces[0].raw(difference.context) != pieces[1].raw(difference.served):
        return False
    return PromptDiff(difference, Training(), *pieces).one_token is None


def _count(character: str, number: int) -> Sentence:
    name = _NAMES.get(character, repr(character))
    zh = f"{number} 个{getattr(name, 'zh', name)}"
    return Sentence(f"one {name}", zh) if number == 1 else Sentence(f"{number} {name}s", zh)


def _gist(text: str) -> str:
    return "".join(text[:_COMPARED].split())[:_ALIKE]


def _family(text: str) -> Family | None:
    # A user may type another family's marks anywhere, but the last mark is the template's.
    last = max(FAMILIES.values(), key=lambda family: text.rfind(family.answer_mark))
    return last if last.answer_mark in text else None


def _system(text: str, bos: str) -> str | None:
    family = _family(text)
    if family is None:
        return None
    # SmolLM2's begin-of-sentence token is the mark that opens every message.
    start = text if family.answer_mark.startswith(bos) else text.removeprefix(bos)
    found = re.match(family.system_block, start, re.DOTALL)
    return found.group(1) if found else None


def _shared(ours: str, theirs: str) -> int:
    """The length of the common prefix."""
    pairs = enumerate(zip(ours, theirs, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(ours), len(theirs)))
