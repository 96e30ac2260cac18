"""`conch compare --bases`: untouched models on the same rows, before anything is trained.

    runs/compare-bases/ID/          a base with these rows: what was fetched, prepared, asked and answered
    runs/compare-bases/DATA.json    the last comparison over those rows

All bases are fetched before the first is asked. Each is served in turn in the same way, greedily, by the
chat template that fits it. A base that was asked these rows before, in this way, is not asked again; an
interrupted comparison goes on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.errors import ConchError, MissingError, Problem, UsageError
from orchestrator.evaluation.bases import BaseFacts, BaseQuestions, compared_bases
from orchestrator.execute.environments import registry
from orchestrator.execute.evaluating.base_stages import (
    NAME,
    Rows,
    any_template,
    asking_stages,
    find_rows,
    first_stages,
    job_of,
    longest_of,
    template_of,
)
from orchestrator.execute.evaluating.evaluate import PREDICTIONS, read_numbers, read_predictions, read_samples
from orchestrator.execute.evaluating.judge import judge_general
from orchestrator.execute.host.atomic_files import read_json, write_durable
from orchestrator.execute.processes import process
from orchestrator.execute.processes.child_environment import symbols_of
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.project.discovery import read_templates
from orchestrator.execute.run_store.fingerprint import plan_key
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_lock import hold
from orchestrator.execute.run_store.stop import sweep_leftovers
from orchestrator.execute.runner.loop import Loop
from orchestrator.hubs import DEFAULT
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Plan, Stage
from orchestrator.plan.stages.base import CONVERSATIONS
from orchestrator.plan.stages.questions import BASE, answers_of
from orchestrator.templates.pairing import Recognised

LIMIT = 50
_FOLDER = re.compile(r"\.{0,2}/|~")


@dataclass(frozen=True, slots=True)
class BasesOptions:
    """What a person asks for.

    Attributes:
        bases: as in model.base, two or more; data: a data set's name or a file.
        templates: none, one for all, or one for each; "" for the one that fits. hub: of hub ids.
        limit: most rows, evenly spread. hardware: cpu, cuda or auto.
    """

    bases: Sequence[str]
    data: str
    templates: Sequence[str] = ()
    hub: str = DEFAULT
    limit: int = LIMIT
    hardware: str = "auto"


@dataclass(slots=True)
class _Base:
    """A base on its way: its run, its job, and by what it is asked."""

    name: str
    job: Job
    run: Run
    given: str
    template: Recognised | None = None


def compare_bases(wish: BasesOptions, *, project: Path, progress: Progress) -> tuple[dict[str, Any], Path]:
    """Ask what was not asked yet, and fold.

    Returns:
        evaluation.bases.compared_bases()'s with "data", "samples" and "limit"; the file that keeps it.

    Raises:
        UsageError: fewer than two bases, one twice, rows that cannot be read, or a template is not known.
        MissingError: a base, a file or an environment is not there.
        BusyError: another comparison of bases goes on.
        ConchError: a server failed; what was asked by then is kept.
    """
    rows = find_rows(project, wish.data)
    templates = read_templates(project)
    given = _named(wish, sorted({one.training for one in templates.values()}))
    jobs = [_job(base, wish, rows, project) for base in wish.bases]
    registry.require("serve", jobs[0].hardware)
    with process.catch_signals(), hold(project, NAME):
        bases = [
            _Base(name, job, _run_of(job, rows, project), template)
            for name, job, template in zip(wish.bases, jobs, given, strict=True)
        ]
        for one in bases:
            _perform(one, first_stages(one.job, rows), progress, "fetching")
        _choose_templates(bases, wish, rows, project)
        for number, one in enumerate(bases, 1):
            progress.say(f"base {number} of {len(bases)}: {one.name}, by {one.job.template.name}")
            _perform(one, asking_stages(one.job, rows, wish.limit), progress, "asking")
    results = [_result(one, rows) for one in bases]
    told = {
        "data": rows.shown,
        "samples": len(results[0].rows),
        "limit": wish.limit,
        **compared_bases(results),
    }
    file = project / "runs" / NAME / f"{rows.entry.name}.json"
    write_durable(file, json.dumps(told, ensure_ascii=False, indent=1) + "\n")
    return told, file


def _named(wish: BasesOptions, known: Sequence[str]) -> list[str]:
    """A named template, or "", for each base.

    Raises:
        UsageError: the bases are too few, one is named twice, or the templates are none or do not match.
    """
    if len(wish.bases) < 2:  # noqa: PLR2004  a comparison
        raise UsageError(Problem("one base is none to compare", "--bases", "--bases A,B"))
    twice = sorted({base for base in wish.bases if list(wish.bases).count(base) > 1})
    if twice:
        raise UsageError(Problem(f"named twice: {', '.join(twice)}", "--bases", "name each base once"))
    named = list(wish.templates) or [""]
    if len(named) not in (1, len(wish.bases)):
        what = f"{len(named)} templates for {len(wish.bases)} bases"
        raise UsageError(Problem(what, "--template", "one for all, or one for each, e.g. qwen3,llama3"))
    if unknown := [name for name in named if name and name not in known]:
        what = f"no chat template is paired with {', '.join(unknown)}"
        raise UsageError(Problem(what, "--template", f"there are: {', '.join(known)}"))
    return named * len(wish.bases) if len(named) == 1 else named


def _job(base: str, wish: BasesOptions, rows: Rows, project: Path) -> Job:
    """The job of a base of which only its name is known yet."""
    # A folder is named from where a person stands; model.base is read from the project.
    named = str(Path(base).expanduser().absolute()) if _FOLDER.match(base) else base
    template = any_template(read_templates(project))
    return job_of(named, wish.hub, rows, template, project=project, hardware=wish.hardware)


def _run_of(job: Job, rows: Rows, project: Path) -> Run:
    """The run that had this base with these rows before, else a new one."""
    identity = plan_key(Plan(NAME, "", first_stages(job, rows)), job.lockfiles)
    for run in reversed(Run.all(project, NAME)):
        if any(event.get("identity") == identity for event in run.events()):
            sweep_leftovers(project, run.path)
            return run
    run = Run.create(project, NAME)
    run.append_event({"event": "made", "identity": identity})
    return run


def _perform(base: _Base, stages: Sequence[Stage], progress: Progress, saying: str) -> None:
    """Do stages of a base; what goes wrong is said with its name."""
    headline = f"{NAME}: {saying} {base.name} on {base.job.hardware} ({base.job.compute_type})"
    serving = any(stage.service for stage in stages)
    places = {"serve": str(registry.require("serve", base.job.hardware))} if serving else {}
    symbols = symbols_of(places, base.run.project)
    run_tag = process.new_run_tag(base.run.project, base.run.path)
    base.run.begin(headline, hardware=base.job.hardware, plan=" ".join(stage.name for stage in stages))
    plan = Plan(NAME, headline, tuple(stages), base.job.recipe.launch.launcher)
    try:
        with process.guarded(run_tag):
            Loop(plan, base.run, symbols, base.job.lockfiles, progress, run_tag).perform()
    except ConchError as error:
        error.problems = tuple(replace(one, what=f"{base.name}: {one.what}") for one in error.problems)
        raise


def _choose_templates(bases: Sequence[_Base], wish: BasesOptions, rows: Rows, project: Path) -> None:
    """Give each base its job with the chat template that fits, and all the same longest conversation.

    Raises:
        UsageError: a template is not known: all of them at once. MissingError: no row is a question.
    """
    templates, problems = read_templates(project), []
    thinking = _thinking(bases[0].run, rows, wish.limit)
    longest = min(longest_of(one.run.path / "inputs/base") for one in bases)
    for one in bases:
        known = template_of(one.name, one.run.path / "inputs/base", templates)
        found = Recognised(one.given) if one.given else known
        if found is None:
            what = "its own chat template says nothing of how it is asked, or it has none"
            names = ", ".join(sorted({each.training for each in templates.values()}))
            problems.append(Problem(f"{one.name}: {what}", "--template", f"name one for it: {names}"))
            continue
        one.template = replace(found, thinking=found.thinking or thinking)
        base = one.job.recipe.model.base
        one.job = job_of(
            base,
            wish.hub,
            rows,
            one.template,
            project=project,
            hardware=wish.hardware,
            longest=longest,
        )
    if problems:
        raise UsageError(*problems)


def _thinking(run: Run, rows: Rows, limit: int) -> str:
    """How models that think are asked: with a thought where at least half of the answers have one."""
    samples = read_samples(run.path / CONVERSATIONS, [rows.entry.name], limit)
    if not samples:
        what = "no row ends in an answer to a user"
        raise MissingError(Problem(what, rows.shown, "name rows of questions and answers"))
    return "on" if 2 * sum(bool(one.label_thinking) for one in samples) >= len(samples) else "off"


def _result(base: _Base, rows: Rows) -> BaseQuestions:
    folder = base.run.path / f"eval/{rows.entry.name}-base"
    numbers = read_numbers(folder)
    if numbers is None:
        raise MissingError(Problem("the base has no numbers", str(folder), "run the comparison again"))
    manifest = read_json(base.run.path / "inputs/base.json") or {}
    facts: BaseFacts = {
        "template": base.job.template.name,
        "thinking": base.job.recipe.template.thinking,
        "revision": manifest.get("revision") or "",
        "run": base.run.name,
        "answers": str(folder / PREDICTIONS),
    }
    general = judge_general(base.run.path / answers_of(BASE))
    return BaseQuestions(base.name, read_predictions(folder), numbers, general, facts)
