"""The task `read_curve`: the trainer's log and its state become curve.json."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.evaluation.curve import course_of
from orchestrator.evaluation.trainer_metrics import courses
from orchestrator.execute.run_store.training_log import Course, measured_in
from orchestrator.plan.stages.curve import CurveSettings
from orchestrator.results import json_of


def read_curve(settings: CurveSettings, folder: Path) -> int:
    """Write the verdict on the loss curve and the metrics."""
    course = Course()
    course.read(folder / settings.log)
    total = course.newest.total if course.newest else 0
    measured = measured_in(folder / settings.state, course) if settings.state else course.metrics
    curve = course_of(
        course.losses,
        course.validations,
        total,
        plateau=settings.plateau,
        kind=settings.kind,
        measured=measured,
    )
    found = {**json_of(curve), "metrics": json_of(courses(settings.kind, measured))}
    text = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
    (folder / settings.out).write_text(text, encoding="utf-8")
    return 0
