"""The task `read_curve`: the trainer's log becomes curve.json."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.evaluation.curve import course_of
from orchestrator.execute.run_store.training_log import Course
from orchestrator.plan.stages.curve import CurveSettings
from orchestrator.results import json_of


def read_curve(settings: CurveSettings, folder: Path) -> int:
    """Write the verdict on the loss curve."""
    course = Course()
    course.read(folder / settings.log)
    total = course.newest.total if course.newest else 0
    found = course_of(course.losses, course.validations, total, plateau=settings.plateau)
    text = json.dumps(json_of(found), ensure_ascii=False, indent=1) + "\n"
    (folder / settings.out).write_text(text, encoding="utf-8")
    return 0
