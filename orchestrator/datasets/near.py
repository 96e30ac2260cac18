"""Questions that are nearly the same: character 5-grams, MinHash, and locality-sensitive hashing. Pure.

Of two texts as alike as ALIKE about 95 in 100 are found, of more alike ones nearly all; none is reported that
is estimated to be less alike. Needs the package rensa (extra "near"). Memory: 2.3 kB a text.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import MissingError, Problem

GRAM = 5
ALIKE = 0.8
PERMUTATIONS, BANDS = 128, 16


def normalised(text: str) -> str:
    r"""What is left of a question when case, width, white space and punctuation make no difference.

    >>> normalised("Ｗｈｏ are\n you？"), normalised("头疼，怎么办？")
    ('whoareyou', '头疼怎么办')
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if character.isalnum())


def grams_of(text: str) -> list[str]:
    """The different character 5-grams of a normalised text; a shorter one is its own only gram."""
    return sorted({text[place : place + GRAM] for place in range(max(1, len(text) - GRAM + 1))})


@dataclass
class NearDuplicates:
    """Finds, for each text, one before it that is nearly the same and not the same.

    Attributes:
        found: texts with such a one before them.
    """

    found: int = 0
    _hashes: dict[int, Any] = field(default_factory=dict)
    _same: set[int] = field(default_factory=set)
    _index: Any = None

    def __post_init__(self) -> None:
        """Load the package.

        Raises:
            MissingError: it is not installed.
        """
        try:
            import rensa
        except ImportError:
            what = "near-duplicates need the package rensa, which is not installed"
            raise MissingError(Problem(what, hint='pip install "conch[near]"')) from None
        self._make = rensa.RMinHash
        self._index = rensa.RMinHashLSH(threshold=ALIKE, num_perm=PERMUTATIONS, num_bands=BANDS)

    def see(self, number: int, text: str) -> int | None:
        """Remember a text; the number of one before it that is nearly the same, None when there is none."""
        said = normalised(text)
        key = hash(said)
        if not said or key in self._same:
            return None
        self._same.add(key)
        made = self._make(num_perm=PERMUTATIONS, seed=42)
        made.update(grams_of(said))
        alike = self._most_alike(made)
        self._hashes[number] = made
        self._index.insert(number, made)
        self.found += alike is not None
        return alike

    def _most_alike(self, made: Any) -> int | None:
        candidates = [(made.jaccard(self._hashes[number]), -number) for number in self._index.query(made)]
        best = max(candidates, default=(0.0, 0))
        return -best[1] if best[0] >= ALIKE else None
