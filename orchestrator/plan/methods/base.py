"""Method: one way to train. Its spelling in a recipe, where it runs, what it excludes, how it is merged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.recipe.sections import Train

LORA, FREEZE, FULL = "lora", "freeze", "full"
ALL = frozenset({LORA, FREEZE, FULL})
ANY = "…"  # every value, in `recipe`
# Keys whose value in a row is an example of many.
EXAMPLES = frozenset(
    {
        *("train.lora_plus", "train.additional_target", "train.freeze_layers", "train.freeze_modules"),
        *("train.llama_pro", "train.neftune", "llamafactory.add_tokens", "llamafactory.add_special_tokens"),
    }
)


class Runs(StrEnum):
    """Where a method runs."""

    HERE = "on a CPU and on a GPU"
    CUDA = "on a GPU only"
    NOWHERE = "refused"


def no_settings(train: Train) -> Mapping[str, object]:  # noqa: ARG001  the shape of Method.settings
    """Nothing: the key is LLaMA-Factory's own and is passed on."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A row of METHODS.

    Attributes:
        name: as its users and docs/methods.md call it.
        recipe: the dotted key that chooses it and its value: one, several, or an example (EXAMPLES), or ANY.
        settings: what it renders into train.yaml, beside the settings of every training.
        merge: how the result is merged, and what the merge proof knows of it.
        why: why it is refused or runs on a GPU only; "" otherwise.
        instead: what to do then.
        methods: values of train.method that it goes with.
        needs: the name of the row without which it changes nothing; "" for none.
        without: names of rows that it excludes; one of two rows is enough.
        unfit: values of train.kind that it does not go with → why.
    """

    name: str
    recipe: tuple[str, object]
    runs: Runs = Runs.HERE
    settings: Callable[[Train], Mapping[str, object]] = no_settings
    merge: str = ""
    why: str = ""
    instead: str = "delete it"
    methods: frozenset[str] = ALL
    needs: str = ""
    without: frozenset[str] = frozenset()
    unfit: Mapping[str, str] | None = None

    @property
    def key(self) -> str:
        """The dotted key that chooses it."""
        return self.recipe[0]

    def takes(self, value: object) -> bool:
        """Whether the key's value chooses it."""
        wanted = self.recipe[1]
        if value is None or value is False or value == "off":
            return False
        if wanted == ANY or self.key in EXAMPLES:
            return True
        values = wanted if isinstance(wanted, tuple) else (wanted,)
        return _plain(value) in map(_plain, values)


def _plain(value: object) -> str:
    """A value as LLaMA-Factory's parser reads it: true and "true" alike."""
    return str(value).lower()
