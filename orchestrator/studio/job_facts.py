"""What a job's run has done, as OpenAI's API shows it: state, events, checkpoints, the CSV of its results.

All of it is read from the run's folder, whenever it is asked for. A step has no time of its own in the
trainer's log: its event has the start of the training plus the trainer's elapsed time.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from orchestrator.backends.trainer_log import TrainStep, seconds_of
from orchestrator.errors import Problem
from orchestrator.execute.run_store.load_report import read_report
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.training_log import Course
from orchestrator.execute.runner.checkpoints import newest_first, problem_of
from orchestrator.execute.runner.lora_adapters import FOLDERS
from orchestrator.plan.titles import title_of
from orchestrator.studio.store import Record, seconds

LOG = "trainer_log.jsonl"
ORGANIZATION = "conch"


def shown_job(job: Mapping[str, object]) -> dict[str, object]:
    """OpenAI's fine_tuning.job."""
    done, chosen = job["state"] == "succeeded", job["hyperparameters"]
    return {
        "object": "fine_tuning.job",
        "id": job["id"],
        "created_at": seconds(job["created_at"]),
        "error": job["error"],
        "fine_tuned_model": job["served"] if done else None,
        "finished_at": seconds(job["finished_at"]) if job["finished_at"] else None,
        "hyperparameters": chosen,
        "model": job["model"],
        "organization_id": ORGANIZATION,
        "result_files": job["result_files"],
        "seed": job["seed"],
        "status": job["state"],
        "trained_tokens": None,
        "training_file": job["training_file"],
        "validation_file": job["validation_file"] or None,
        "estimated_finish": None,
        "integrations": [],
        "metadata": job["metadata"],
        "method": {"type": job["method"], job["method"]: {"hyperparameters": chosen}},
        "user_provided_suffix": job["suffix"] or None,
    }


def events(job: Mapping[str, object], run: Run | None) -> list[Record]:
    """The events of a job, the newest first."""
    name, created = str(job["id"]), job["created_at"]
    found = [_event(name, "created", created, f"Created fine-tuning job: {name}")]
    if run is not None:
        found += sorted(_of_run(name, run), key=lambda one: seconds(one["created_at"]))
    ended = job["finished_at"] or (found[-1]["created_at"])
    error = job["error"]
    if job["state"] == "succeeded":
        found.append(_event(name, "model", ended, f"New fine-tuned model created: {job['served']}"))
        found.append(_event(name, "over", ended, "The job has successfully completed"))
    elif isinstance(error, dict):
        found.append(_event(name, "over", ended, str(error["message"]), level="error"))
    elif job["state"] in {"cancelled", "paused"}:
        found.append(_event(name, "over", ended, f"The job was {job['state']}", level="warn"))
    return found[::-1]


def _of_run(name: str, run: Run) -> Iterator[Record]:
    training = 0.0
    for number, event in enumerate(run.events()):
        at, kind, stage = time_of(event.get("at")), event.get("event"), str(event.get("stage", ""))
        if kind == "begun":
            yield _event(name, f"run-{number}", at, f"Run {run.name} began: {event.get('headline', '')}")
        elif kind == "stage_begun":
            training = at if stage == "train" else training
            yield _event(name, f"run-{number}", at, f"{title_of(stage)}: started")
        elif kind == "stage_ended":
            status, reason = event.get("status"), event.get("reason") or ""
            level = "info" if status in {"done", "skipped"} else "warn"
            text = f"{title_of(stage)}: {status}" + f" ({reason})" * bool(reason)
            yield _event(name, f"run-{number}", at, text, level=level)
    for step in course_of(run).steps:
        data = _metrics(step)
        numbers = ", ".join(
            f"{key.replace('_', ' ')}={value:.4g}" for key, value in data.items() if key != "step"
        )
        if numbers:
            at = training + (seconds_of(step.elapsed) or 0)
            kind = "valid" if step.eval_loss is not None else "step"
            text = f"Step {step.step}/{step.total}: {numbers}"
            yield _event(name, f"{kind}-{step.step}", at, text) | {"type": "metrics", "data": data}


def course_of(run: Run) -> Course:
    """The losses of a run's training, finished or not."""
    course = Course()
    for folder in FOLDERS:
        if (run.path / folder / LOG).is_file():
            course.read(run.path / folder / LOG)
            break
    return course


def checkpoints(job: Mapping[str, object], run: Run | None) -> list[Record]:
    """The complete checkpoints that a run has kept, the newest first."""
    if run is None:
        return []
    course = course_of(run)
    losses, validations = dict(course.losses), dict(course.validations)
    found: list[Record] = []
    for step, path in _kept(run):
        metrics: dict[str, object] = {"step": step}
        metrics |= {"train_loss": losses[step]} if step in losses else {}
        metrics |= {"valid_loss": validations[step]} if step in validations else {}
        found.append(
            {
                "object": "fine_tuning.job.checkpoint",
                "id": f"ftckpt-{str(job['id']).removeprefix('ftjob-')}-{step}",
                "created_at": int(path.stat().st_mtime),
                "fine_tuned_model_checkpoint": f"{job['served']}:ckpt-step-{step}",
                "fine_tuning_job_id": job["id"],
                "metrics": metrics,
                "step_number": step,
            }
        )
    return found


def _kept(run: Run) -> list[tuple[int, Path]]:
    folders = [run.path / one for one in FOLDERS if (run.path / one).is_dir()]
    return [(step, path) for folder in folders for step, path in newest_first(folder) if not problem_of(path)]


def results_csv(run: Run) -> str:
    """The losses by step, in the columns of OpenAI's result file; what was not measured is empty."""
    course = course_of(run)
    losses, validations = dict(course.losses), dict(course.validations)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"])
    for step in sorted(losses.keys() | validations.keys()):
        rows.writerow([step, losses.get(step, ""), "", validations.get(step, ""), ""])
    return text.getvalue()


def refutation(run: Run) -> tuple[str, Sequence[Problem]]:
    """Why a run that ended with "no" did: its code, and the proofs and questions that say so."""
    report = read_report(run.path, recipe=run.recipe)
    proofs = [
        Problem(f"the proof {one.name} does not hold: {one.detail}")
        for one in report.proofs
        if not (one.holds or one.accepted)
    ]
    if proofs:
        return "proof_failed", proofs
    failed = [one for one in report.verdicts if not one.passed]
    what = f"{len(failed)} of {len(report.verdicts)} answers to taught questions are wrong"
    shown = [
        Problem(f"{one.question!r} was answered {one.answer[:80]!r}: {one.reason}") for one in failed[:3]
    ]
    return "checks_failed", [Problem(what), *shown]


def _metrics(step: TrainStep) -> dict[str, float]:
    values = {
        "step": step.step,
        "train_loss": step.loss,
        "valid_loss": step.eval_loss,
        "learning_rate": step.learning_rate,
    }
    return {key: value for key, value in values.items() if value is not None}


def _event(job: str, mark: str, at: object, message: str, *, level: str = "info") -> Record:
    return {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{job.removeprefix('ftjob-')}-{mark}",
        "created_at": seconds(at),
        "level": level,
        "message": message,
        "type": "message",
        "data": None,
    }


def time_of(value: object) -> float:
    """Seconds since 1970 of an ISO 8601 time; 0 for anything else."""
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return 0.0
