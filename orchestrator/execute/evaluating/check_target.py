"""The task `meet_target`: verdicts and numbers against the recipe's target, as target.json."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.errors import CheckFailed
from orchestrator.evaluation.target import Figures, check_target
from orchestrator.execute.evaluating.evaluate import read_numbers
from orchestrator.execute.run_store.load_report import read_sampled, read_verdicts
from orchestrator.plan.stages.target import TargetSettings
from orchestrator.results import json_of, passed_of


def meet_target(settings: TargetSettings, folder: Path) -> int:
    """Write target.json; 5 if the target is not met."""
    verdicts = read_verdicts(folder / settings.verdicts)
    numbers = read_numbers(folder / settings.numbers) if settings.numbers else None
    figures = Figures(
        checks=passed_of(verdicts["verdicts"]),
        paraphrases=passed_of(verdicts["paraphrases"]),
        general=passed_of(verdicts["general"]),
        general_base=passed_of(verdicts["general_base"]),
        sampled=read_sampled(folder / settings.verdicts),
        metrics={name: one["mean"] for name, one in numbers["metrics"].items()} if numbers else {},
    )
    found = check_target(settings.target, figures)
    text = json.dumps(json_of(found), ensure_ascii=False, indent=1) + "\n"
    (folder / settings.out).write_text(text, encoding="utf-8")
    return 0 if found.met else CheckFailed.exit_code
