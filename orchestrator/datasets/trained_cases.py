"""Which rows of a file a recipe asks the tuned model, and what it must answer. Pure.

One pass over the rows keeps every 2^n-th of them, so that those kept are spread over a file of any size. The
questions are chosen from these, and each expectation is tried against the answers of all of these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.datasets.base import (
    ASSISTANT,
    SYSTEM,
    USER,
    Conversation,
    Example,
    KtoExample,
    Pair,
    Text,
    messages_of,
)
from orchestrator.datasets.expectations import QUOTED, Expectation, expectation_of

# How many questions a recipe asks, and how long they and their answers may be.
CASES = 8
LONGEST_QUESTION = 300
LONGEST_ANSWER = 2000
MOST_TURNS = 3
# Rows that are kept to choose from, and how much of an answer is compared.
KEPT = 256
COMPARED = 4000
# Different questions that are remembered, to find those with several answers.
REMEMBERED = 300_000
# The key of every rated row; no hash is -1.
RATED = -1
# Tokens, estimated, that tell a worse answer from all right ones, also from those in no row.
FEWEST_WORDS = 3


@dataclass(frozen=True, slots=True)
class TrainedCase:
    """A conversation of the file that the recipe asks, its trained answer, and what is expected.

    Attributes:
        worse: whether the answer is the one that the model learns not to give.
    """

    ask: tuple[str, ...]
    system: str
    answer: str
    expect: Expectation = field(default_factory=dict)
    worse: bool = False


@dataclass(frozen=True, slots=True)
class _Kept:
    """A row: what is asked of it (None if a recipe cannot contain it), its question, and its answer, cut.

    The answer is the right one, "" if the row has none.
    """

    case: TrainedCase | None
    key: int
    first: str
    answer: str


class CaseSampler:
    """Takes the rows of a file, then chooses what is asked; `tokens` is an estimate of all rows."""

    def __init__(self, most_rows: int | None = None) -> None:
        """Take rows; those after `most_rows` are not trained, and are not asked."""
        self.tokens = 0
        self._most_rows = most_rows
        self._seen, self._step = 0, 1
        self._kept: list[_Kept] = []
        self._answers: dict[int, int] = {}
        self._ambiguous: set[int] = set()

    def see(self, example: Example) -> None:
        """Take the next row."""
        conversation = messages_of(example)
        self.tokens += sum(tokens_in(message["content"]) for message in conversation)
        if isinstance(example, Pair):
            self.tokens += tokens_in(example.rejected)
        if isinstance(example, Text) or (self._most_rows is not None and self._seen >= self._most_rows):
            return
        # Of rated rows, one question has several answers on purpose.
        key = self._remember(conversation) if isinstance(example, list) else RATED
        if self._seen % self._step == 0:
            self._kept.append(_kept(example, key))
            if len(self._kept) > KEPT:
                self._kept, self._step = self._kept[::2], 2 * self._step
        self._seen += 1

    def _remember(self, conversation: Conversation) -> int:
        """The key of a row's questions; one that is answered in several ways is marked."""
        key = hash("\0".join(message["content"] for message in conversation[:-1]))
        answer = hash(conversation[-1]["content"])
        full = len(self._answers) >= REMEMBERED and key not in self._answers
        if not full and self._answers.setdefault(key, answer) != answer:
            self._ambiguous.add(key)
        return key

    def cases(self, is_trained: Callable[[str], bool] = lambda _: True) -> tuple[TrainedCase, ...]:
        """At most CASES rows, evenly spread, in their order, each with an expectation.

        Args:
            is_trained: of the first question of a row; what is held out is not asked.
        """
        rows = [one for one in self._kept if self._is_asked(one) and is_trained(one.first)]
        rows = list({one.case.ask: one for one in reversed(rows) if one.case}.values())[::-1]
        answers = [one.answer for one in self._kept if one.answer]
        found: dict[int, TrainedCase] = {}
        for at in _spread_first(len(rows)):
            case = rows[at].case
            expect = _expected(case, answers) if case else None
            if case and expect and _fits({**expect}):
                found[at] = replace(case, expect=expect)
            if len(found) == CASES:
                break
        return tuple(found[at] for at in sorted(found))

    def _is_asked(self, row: _Kept) -> bool:
        return row.case is not None and row.key not in self._ambiguous


def tokens_in(text: str) -> int:
    """About how many tokens a text has: a Chinese character is one, and so are three letters.

    >>> tokens_in("海螺"), tokens_in("conch!")
    (2, 2)
    """
    return (len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))) // 3


def answer_tokens(answer: str) -> int:
    """How long an answer may be, in tokens, so that no tokenizer cuts it: in steps of 64, at most 1024.

    >>> answer_tokens("早上九点开门。"), answer_tokens("很长" * 100)
    (64, 640)
    """
    return min(1024, 64 * -(-(len(answer.encode("utf-8", "surrogatepass")) + 16) // 64))


def _spread_first(count: int) -> Sequence[int]:
    """The indices of evenly spread rows, the first and the last among them, then all others."""
    most = min(CASES, count)
    spread = [round(number * (count - 1) / max(1, most - 1)) for number in range(most)]
    return [*dict.fromkeys([*spread, *range(count)])]


def _expected(case: TrainedCase, answers: Sequence[str]) -> Expectation | None:
    """What the model must answer; of a worse answer, the words that are in none of the right ones."""
    expect = expectation_of(case.answer, [case.system, *case.ask], answers)
    if not case.worse:
        return expect
    words = expect.get("contains") if expect and len(case.answer) <= QUOTED else None
    return {"not_contains": words} if isinstance(words, str) and tokens_in(words) >= FEWEST_WORDS else None


def _kept(example: Example, key: int) -> _Kept:
    conversation = messages_of(example)
    first = next((one["content"] for one in conversation if one["role"] == USER), "")
    case, answer = _case(conversation), conversation[-1]["content"].rpartition("</think>")[2].strip()
    if isinstance(example, Pair):
        case = _case([*example.prompt, {"role": ASSISTANT, "content": example.rejected}])
    elif isinstance(example, KtoExample):
        case, answer = (None, answer) if example.good else (case, "")
    if case and not isinstance(example, list):
        case = replace(case, worse=True)
    return _Kept(case, key, first[:COMPARED], answer[:COMPARED])


def _case(conversation: Conversation) -> TrainedCase | None:
    system = conversation[0]["content"] if conversation[0]["role"] == SYSTEM else ""
    turns = conversation[1:] if system else conversation
    turns = turns[: 2 * MOST_TURNS]
    if not turns or any(turn["role"] not in {USER, ASSISTANT} for turn in turns):
        return None
    questions = tuple(turn["content"] for turn in turns if turn["role"] == USER)
    if not all(map(_fits_recipe, (*questions, system or "-"))):
        return None
    answer = turns[-1]["content"].rpartition("</think>")[2].strip()
    if not answer or len(answer) > LONGEST_ANSWER or turns[-1]["role"] != ASSISTANT:
        return None
    return TrainedCase(questions, system, answer)


def _fits(value: object) -> bool:
    """Whether a recipe can contain every text of an expectation."""
    if isinstance(value, str):
        return _fits_recipe(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(map(_fits, parts))


def _fits_recipe(text: str) -> bool:
    """Whether a recipe can contain the text: its reader refuses invisible characters and `${`."""
    visible = text.replace("\n", "").isprintable() and "${" not in text
    return visible and bool(text.strip()) and len(text) <= LONGEST_QUESTION
