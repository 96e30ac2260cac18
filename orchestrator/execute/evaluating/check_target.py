"""The task `meet_target`: verdicts and numbers against the recipe's target, as target.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import CheckFailed
from orchestrator.evaluation.target import Figures, told
from orchestrator.execute.evaluating.evaluate import NUMBERS
from orchestrator.execute.host.atomic_files import read_json
from orchestrator.execute.run_store.load_report import read_verdicts
from orchestrator.results import passed_of


def meet_target(settings: Mapping[str, Any], folder: Path) -> int:
    """Write target.json; 5 when the target is not met.

    Settings:
        target: the recipe's section. verdicts: verdicts.json. numbers: the folder of the tuned model's
        eval.json, "" when no metric is aimed at. out: target.json.
    """
    verdicts = read_verdicts(folder / settings["verdicts"])
    numbers = read_json(folder / settings["numbers"] / NUMBERS) if settings["numbers"] else None
    means = {name: one["mean"] for name, one in ((numbers or {}).get("metrics") or {}).items()}
    figures = Figures(
        checks=passed_of(verdicts["verdicts"]),
        paraphrases=passed_of(verdicts["paraphrases"]),
        general=passed_of(verdicts["general"]),
        general_base=passed_of(verdicts["general_base"]),
        metrics=means,
    )
    found = told(settings["target"], figures)
    text = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
    (folder / settings["out"]).write_text(text, encoding="utf-8")
    return 0 if found["met"] else CheckFailed.exit_code
