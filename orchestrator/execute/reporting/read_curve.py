"""The task `read_curve`: the trainer's log becomes curve.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.evaluation.curve import course_of
from orchestrator.execute.run_store.training_log import Course


def read_curve(settings: Mapping[str, Any], folder: Path) -> int:
    """Write what the course shows.

    Settings:
        log: trainer_log.jsonl; plateau: the share of the steps by which it might end early; out: curve.json.
    """
    course = Course()
    course.read(folder / settings["log"])
    total = course.newest.total if course.newest else 0
    found = course_of(course.losses, course.validations, total, plateau=settings["plateau"])
    text = json.dumps(found.to_json(), ensure_ascii=False, indent=1) + "\n"
    (folder / settings["out"]).write_text(text, encoding="utf-8")
    return 0
