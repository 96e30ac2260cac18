"""Statistics of a dataset: lengths, languages, repeated answers. One pass. Pure.

Memory does not grow with the rows: lengths are counted, repeated answers are stored up to a limit, and the
rows whose tokens are counted later are an even sample of a fixed size.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.datasets.base import ASSISTANT, USER, Conversation, Example, Pair, excerpt, messages_of
from orchestrator.datasets.distribution import Distribution
from orchestrator.datasets.language_id import language_of, scripts_of
from orchestrator.datasets.repairs import masked

MOST_SAMPLED = 20_000
MOST_ANSWERS = 200_000
SHOWN_ANSWERS = 10
SEED = 20260101


@dataclass
class Repeats:
    """Answers that occur more than once.

    After MOST_ANSWERS different answers, those that occurred once are deleted; `exact` is then false, and
    counts are lower bounds.
    """

    most: int = MOST_ANSWERS
    exact: bool = True
    _counts: dict[int, int] = field(default_factory=dict)
    _texts: dict[int, str] = field(default_factory=dict)

    def add(self, answer: str) -> None:
        """Count one; white space is ignored."""
        key = hash("".join(answer.split()))
        count = self._counts.get(key, 0) + 1
        self._counts[key] = count
        if count == 2:  # noqa: PLR2004 - the first repetition
            self._texts[key] = excerpt(masked(answer))
        elif count == 1 and len(self._counts) > self.most:
            self.exact = False
            self._counts = {key: count for key, count in self._counts.items() if count > 1}

    @property
    def repeated(self) -> int:
        """How many answers repeat an earlier one."""
        return sum(self._counts[key] - 1 for key in self._texts)

    def top(self) -> list[dict[str, object]]:
        """The most frequent ones: {"text", "count"}."""
        keys = sorted(self._texts, key=lambda key: -self._counts[key])[:SHOWN_ANSWERS]
        return [{"text": self._texts[key], "count": self._counts[key]} for key in keys]


@dataclass
class Sample:
    """An even sample of a stream of unknown length (reservoir sampling); reproducible."""

    most: int = MOST_SAMPLED
    total: int = 0
    rows: list[Conversation] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311 - not a secret

    def add(self, row: Conversation) -> None:
        """Add a row; it may replace an earlier one."""
        self.total += 1
        if len(self.rows) < self.most:
            self.rows.append(row)
        elif (index := self._random.randrange(self.total)) < self.most:
            self.rows[index] = row


@dataclass
class Statistics:
    """The statistics of a dataset's rows.

    Attributes:
        turns: answers of a row. rows, questions, answers: their characters.
        languages: language → rows. scripts: script → characters.
        sample: rows whose tokens may be counted.
    """

    turns: Distribution = field(default_factory=Distribution)
    rows: Distribution = field(default_factory=Distribution)
    questions: Distribution = field(default_factory=Distribution)
    answers: Distribution = field(default_factory=Distribution)
    languages: Counter[str] = field(default_factory=Counter)
    scripts: Counter[str] = field(default_factory=Counter)
    repeats: Repeats = field(default_factory=Repeats)
    sample: Sample = field(default_factory=Sample)

    def see(self, example: Example) -> None:
        """Count a row; of a pair, both answers."""
        conversation = messages_of(example)
        self._see(conversation)
        if isinstance(example, Pair):
            self._answer(example.rejected)
            self.sample.add([*example.prompt, {"role": ASSISTANT, "content": example.rejected}])

    def _answer(self, text: str) -> None:
        self.answers.add(len(text))
        self.repeats.add(text)

    def _see(self, conversation: Conversation) -> None:
        lengths = [len(message["content"]) for message in conversation]
        self.rows.add(sum(lengths))
        self.turns.add(sum(message["role"] == ASSISTANT for message in conversation))
        for message, length in zip(conversation, lengths, strict=True):
            if message["role"] == USER:
                self.questions.add(length)
            elif message["role"] == ASSISTANT:
                self._answer(message["content"])
        text = "\n".join(message["content"] for message in conversation)
        scripts = scripts_of(text)
        self.scripts.update(scripts)
        self.languages[language_of(text, scripts)] += 1
        self.sample.add(conversation)

    def to_json(self) -> dict[str, object]:
        """All statistics."""
        return {
            "turns": self.turns.to_json(),
            "characters": {
                "row": self.rows.to_json(),
                "question": self.questions.to_json(),
                "answer": self.answers.to_json(),
            },
            "languages": dict(self.languages.most_common()),
            "scripts": dict(self.scripts.most_common()),
            "repeated_answers": {
                "answers": self.repeats.repeated,
                "exact": self.repeats.exact,
                "top": self.repeats.top(),
            },
        }


def tokens_json(lengths: Sequence[list[int] | None], rows: int, cutoff: int | None) -> dict[str, object]:
    """The distribution of token counts.

    Args:
        lengths: of each sampled row, its questions and answers in turn; None for one that cannot be encoded.
        rows: how many rows the sample was drawn from.
        cutoff: the longest row that is trained whole; None if unknown.
    """
    whole, questions, answers = Distribution(), Distribution(), Distribution()
    for row in lengths:
        if row is None:
            continue
        whole.add(sum(row))
        for side, counted in ((row[::2], questions), (row[1::2], answers)):
            # A document is encoded as an answer without a question.
            for length in filter(None, side):
                counted.add(length)
    return {
        "sampled": whole.total,
        "rows": rows,
        "not_encoded": list(lengths).count(None),
        "row": whole.to_json(),
        "question": questions.to_json(),
        "answer": answers.to_json(),
        "cutoff": cutoff,
        "over": whole.above(cutoff) if cutoff else None,
        "keeps_99": whole.percentile(99),
    }
