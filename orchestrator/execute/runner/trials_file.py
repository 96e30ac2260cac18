"""runs/RECIPE/trials.json: what a sweep tried and what came of it, written after every step of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.errors import BusyError, Problem
from orchestrator.evaluation.trials import Trial, best_of
from orchestrator.execute.host.atomic_files import read_json, write_durable
from orchestrator.execute.run_store.run_lock import exclusive
from orchestrator.results import from_json, json_of


@dataclass(slots=True)
class TrialsFile:
    """The trials of one study: of one recipe, one set of settings, one target.

    Attributes:
        folder: runs/RECIPE.
        study: what makes trials comparable; trials of another study are laid aside, never overwritten.
        settings: the dotted keys that are tried, each with its values.
    """

    folder: Path
    study: str
    settings: Mapping[str, Any]
    history: list[Trial] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path, study: str, settings: Mapping[str, Any]) -> TrialsFile:
        """The trials of this study so far; those of another are moved to trials.N.json."""
        path = folder / "trials.json"
        found = read_json(path)
        if found is not None and found.get("study") == study:
            return cls(folder, study, settings, [_trial(one) for one in found["trials"]])
        if path.exists():
            number = next(n for n in range(1, 10**6) if not (folder / f"trials.{n}.json").exists())
            path.rename(folder / f"trials.{number}.json")
        return cls(folder, study, settings)

    def put(self, trial: Trial) -> None:
        """Keep a trial as it is now, in place of what was known of it."""
        self.history = [*self.history[: trial.number - 1], trial]
        write_durable(
            self.folder / "trials.json", json.dumps(self.to_json(), ensure_ascii=False, indent=1) + "\n"
        )

    def to_json(self) -> dict[str, Any]:
        """What the file holds."""
        best = best_of(self.history)
        return {
            "study": self.study,
            "settings": dict(self.settings),
            "trials": [json_of(trial) for trial in self.history],
            "best": best.number if best else None,
        }


def _trial(row: Mapping[str, Any]) -> Trial:
    known = from_json(dict(row))
    return Trial(**{name: known[name] for name in Trial.__dataclass_fields__ if name in known})


def only_one(folder: Path, recipe: str) -> AbstractContextManager[None]:
    """Be the only process that runs trials of a recipe; BusyError when another one does."""
    what, hint = (
        f"another `conch run {recipe} --until target` is running trials",
        "wait for it, or `conch stop`",
    )
    return exclusive(folder / ".trials.lock", lambda: BusyError(Problem(what, str(folder), hint)))
