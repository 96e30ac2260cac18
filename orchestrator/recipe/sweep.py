"""The section `sweep`: the settings that `conch run --until target` tries, and for how long."""

import math
from typing import Annotated, Any

from pydantic import Field

from orchestrator.recipe.fields import Choice, FieldType, Number, Whole, wrong
from orchestrator.recipe.section import Section

_EXAMPLE = "{train.learning_rate: [1e-4, 5e-4], train.epochs: [3, 6]}"
_RANGE = ("from", "to", "log")


class Settings(FieldType):
    """Dotted key of a recipe → the values to try: a list, or {from, to} for a search; never empty."""

    def check(self, value: object) -> dict[str, object]:
        if not isinstance(value, dict) or not value:
            raise wrong(f"a mapping of keys to values, e.g. {_EXAMPLE}")
        for key, given in value.items():
            self._key(str(key))
            if isinstance(given, dict):
                self._range(str(key), given)
            elif not isinstance(given, list) or not given:
                raise wrong(f"a list of values for {key}, or {{from: 1e-5, to: 1e-3, log: true}}")
        return {str(key): given for key, given in value.items()}

    def _key(self, key: str) -> None:
        first = key.partition(".")[0]
        if "." not in key or first in ("target", "sweep", "hardware", "extends", "name"):
            raise wrong(f"a mapping of keys such as train.learning_rate; {key} cannot be tried")

    def _range(self, key: str, given: dict[str, object]) -> None:
        number = Number()
        ends = [number.convert(given.get(end)) for end in _RANGE[:2]]
        if set(given) - set(_RANGE) or None in ends or not isinstance(given.get("log", False), bool):
            raise wrong(f"a list for {key}, or {{from: 1e-5, to: 1e-3, log: true}}")
        low, high = (float(end or 0) for end in ends)
        if low >= high or (given.get("log") and low <= 0):
            raise wrong(f"a range for {key} with from below to, and from above 0 if log is true")

    def json(self) -> dict[str, object]:
        span = {
            "type": "object",
            "properties": {"from": {"type": "number"}, "to": {"type": "number"}, "log": {"type": "boolean"}},
            "required": list(_RANGE[:2]),
            "additionalProperties": False,
        }
        values = {"anyOf": [{"type": "array", "minItems": 1}, span]}
        return {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": r"^(?!(target|sweep|hardware|extends|name)\b)[^.]+\..+$"},
            "additionalProperties": values,
        }


class Sweep(Section):
    """What conch run --until target tries in turn until the target is met."""

    settings: Annotated[dict[str, Any], Settings()] = Field(
        description=f"Dotted key → values to try: {_EXAMPLE}; for optuna also {{from, to, log}}."
    )
    search: Annotated[str, Choice(("grid", "optuna"))] = Field(
        "grid",
        description="grid tries every combination, the first key slowest; optuna chooses from earlier "
        "results and ends a training whose loss is above the median of the other trials.",
    )
    runs: Annotated[int, Whole(least=1, most=10000)] = Field(
        20, description="Maximum number of trials, failed ones included."
    )
    minutes: Annotated[float, Number(above=0, most=100000)] | None = Field(
        None, description="Start no further trial after this many minutes of trials."
    )

    @property
    def combinations(self) -> int:
        """Number of combinations of a grid; 0 if a range makes it infinite."""
        lists = [values for values in self.settings.values() if isinstance(values, list)]
        return math.prod(map(len, lists)) if len(lists) == len(self.settings) else 0
