"""`python -m orchestrator.execute.runner.task NAME SETTINGS.json`: Conch's own work as a process of its own.

The working folder is the run folder. Problems are written as JSON to $CONCH_PROBLEMS for the loop, and as
text to standard error for the log. Exit codes are those of errors.py.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

from orchestrator.errors import ConchError, Problem, StageFailed, UsageError, exit_code_of
from orchestrator.execute.host.tell import tell

Task = Callable[[Any, Path], int]

# name → module:function. A task returns 0, or 5 if the answer is no. Its settings are a frozen Settings type,
# defined beside the stage that renders it (plan/stages/).
TASKS: dict[str, str] = {
    "fetch": "orchestrator.execute.models.fetch:fetch",
    "prepare": "orchestrator.execute.data.prepare:prepare",
    "compare": "orchestrator.execute.proving.token_parity:compare",
    "prove_rows": "orchestrator.execute.proving.offline_proofs:prove_rows",
    "prove_tokenizer": "orchestrator.execute.proving.offline_proofs:prove_tokenizer",
    "prove_truncation": "orchestrator.execute.proving.offline_proofs:prove_truncation",
    "prove_stop": "orchestrator.execute.proving.offline_proofs:prove_stop",
    "record_hashes": "orchestrator.execute.run_store.record_hashes:record_hashes",
    "prove_hashes": "orchestrator.execute.proving.offline_proofs:prove_hashes",
    "check_export": "orchestrator.execute.models.check_export:check_export",
    "ask": "orchestrator.execute.inference.ask:ask",
    "prove_merge": "orchestrator.execute.proving.offline_proofs:prove_merge",
    "score_served": "orchestrator.execute.inference.logprobs:score_served",
    "prove_loss": "orchestrator.execute.proving.prove_loss:prove_loss",
    "prove_preference": "orchestrator.execute.proving.prove_loss:prove_preference",
    "prove_perplexity": "orchestrator.execute.proving.prove_loss:prove_perplexity",
    "reward_served": "orchestrator.execute.inference.rewards:reward_served",
    "prove_reward": "orchestrator.execute.proving.prove_reward:prove_reward",
    "prove_reward_accuracy": "orchestrator.execute.proving.prove_reward:prove_reward_accuracy",
    "prove_environment": "orchestrator.execute.proving.prove_ppo:prove_environment",
    "prove_gain": "orchestrator.execute.proving.prove_ppo:prove_gain",
    "prove_sampling": "orchestrator.execute.proving.prove_sampling:prove_sampling",
    "prove_served": "orchestrator.execute.proving.prove_served:prove_served",
    "answer_served": "orchestrator.execute.inference.completions:answer_served",
    "certify": "orchestrator.execute.run_store.certify:certify",
    "evaluate": "orchestrator.execute.evaluating.evaluate:evaluate",
    "read_curve": "orchestrator.execute.reporting.read_curve:read_curve",
    "judge": "orchestrator.execute.evaluating.judge:judge",
    "meet_target": "orchestrator.execute.evaluating.check_target:meet_target",
    "write_report": "orchestrator.execute.reporting.write_report:write_report",
}


def run_task(name: str, settings_path: Path, folder: Path) -> int:
    """Run one task in a folder; return its exit code; a ConchError is reported, not raised."""
    try:
        module, _, function = TASKS[name].partition(":")
        settings = json.loads(settings_path.read_text(encoding="utf-8"))
        work: Task = getattr(import_module(module), function)
        return work(typed(work, _with_project(settings, os.environ.get("CONCH_PROJECT", ""))), folder)
    except ConchError as error:
        _report(error.problems)
        return exit_code_of(error)


def typed(work: Task, settings: Mapping[str, object]) -> Any:
    """A task's settings as the type that its function takes.

    Raises:
        StageFailed: they are from another version.
    """
    from pydantic import TypeAdapter, ValidationError

    settings_type = get_type_hints(work)["settings"]
    unknown = sorted(set(settings) - {field.name for field in fields(settings_type)})
    try:
        if not unknown:
            return TypeAdapter(settings_type).validate_python(settings)
        what = f"no setting {', '.join(unknown)}"
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    raise StageFailed(Problem(f"the task's settings are from another version: {what}", hint="run it again"))


def _with_project(value: Any, project: str) -> Any:
    """Replace a leading {project} in every string of the settings."""
    if isinstance(value, str):
        return project + value.removeprefix("{project}") if value.startswith("{project}/") else value
    if isinstance(value, list):
        return [_with_project(item, project) for item in value]
    if isinstance(value, dict):
        return {key: _with_project(item, project) for key, item in value.items()}
    return value


def _report(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        tell(str(problem))
    path = os.environ.get("CONCH_PROBLEMS")
    if path:
        rows = [{"what": problem.what, "where": problem.where, "hint": problem.hint} for problem in problems]
        Path(path).write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def main(argv: list[str]) -> int:
    """The command line of the module docstring."""
    if len(argv) != 2 or argv[0] not in TASKS:  # noqa: PLR2004
        _report(
            UsageError(Problem(f"usage: task NAME SETTINGS.json, NAME one of {', '.join(TASKS)}")).problems
        )
        return UsageError.exit_code
    return run_task(argv[0], Path(argv[1]), Path.cwd())


if __name__ == "__main__":
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a text stream at start-up
    sys.exit(main(sys.argv[1:]))
