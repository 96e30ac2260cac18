"""`conch compare --bases`: untrained models on the same rows, before you train anything.

    runs/compare-bases/ID/          one base with these rows: the model, the prepared rows, the answers
    runs/compare-bases/DATA.json    the latest comparison over those rows

All bases are fetched before the first one is asked. Each is served in turn in the same way, greedily, with
the chat template that fits it. Its job comes from a recipe made here, of which only the stages before
training run. Answers of an earlier comparison are reused, so an interrupted one continues.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.backends import llamafactory
from orchestrator.backends.engines import base_service
from orchestrator.datasets.entry import FOLDER, DatasetEntry
from orchestrator.datasets.scaffold import name_for
from orchestrator.errors import ConchError, MissingError, Problem, UsageError
from orchestrator.evaluation.bases import BaseFacts, BaseQuestions, ComparedBases, compared_bases
from orchestrator.execute.environments import registry
from orchestrator.execute.evaluating.evaluate import PREDICTIONS, read_numbers, read_predictions, read_samples
from orchestrator.execute.evaluating.judge import judge_general
from orchestrator.execute.host import machine, signals
from orchestrator.execute.host.atomic_files import read_json, read_text, sha256_path, write_durable
from orchestrator.execute.processes import process_tree, watchdog
from orchestrator.execute.processes.child_environment import symbols_of
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.project import discovery
from orchestrator.execute.project.discovery import read_templates
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_lock import hold
from orchestrator.execute.run_store.stop import sweep_leftovers
from orchestrator.execute.runner.base_recipe import link_exports
from orchestrator.execute.runner.loop import Loop
from orchestrator.hubs import DEFAULT
from orchestrator.plan.job import EMBEDDED, Job
from orchestrator.plan.plan import plan_key
from orchestrator.plan.resolve import resolve
from orchestrator.plan.stage import Plan, Stage
from orchestrator.plan.stages import fetch, prepare
from orchestrator.plan.stages.base import CONVERSATIONS, served_files
from orchestrator.plan.stages.questions import BASE, Evaluation, answers_of, general_beside
from orchestrator.recipe import Evaluate, RecipeSource, Verify, compose
from orchestrator.templates.pairing import ChatTemplate, Recognised, recognise
from orchestrator.templates.writer import ANY

NAME = "compare-bases"
LIMIT = 50
MOST = 32
# Long enough for most rows; a larger context takes memory that a small machine lacks.
LONGEST = 4096
_FOLDER = re.compile(r"\.{0,2}/|~")


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows to ask: a dataset of the project, or the one in `file`."""

    entry: DatasetEntry
    shown: str
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class BasesOptions:
    """The options of a comparison.

    Attributes:
        bases: as in model.base, two or more. data: a dataset's name or a file.
        templates: none, one for all, or one for each; "" for the one that fits. hub: for hub ids.
        limit: the largest number of rows, evenly spread. hardware: cpu, cuda or auto.
    """

    bases: Sequence[str]
    data: str
    templates: Sequence[str] = ()
    hub: str = DEFAULT
    limit: int = LIMIT
    hardware: str = "auto"


class BasesComparison(ComparedBases):
    """The comparison over `samples` rows of a dataset or file, as the user named it."""

    data: str
    samples: int
    limit: int


@dataclass(slots=True)
class _Base:
    """A base: its run, its job, and the chat template that it is asked with."""

    name: str
    job: Job
    run: Run
    given: str
    template: Recognised | None = None


def compare_bases(
    options: BasesOptions, *, project: Path, progress: Progress
) -> tuple[BasesComparison, Path]:
    """Ask what has not been asked yet, and compare.

    Returns:
        The comparison, and its file.

    Raises:
        UsageError: fewer than two bases, a duplicate, unreadable rows, or an unknown template.
        MissingError: a base, a file or an environment is missing.
        BusyError: another comparison of bases is running.
        ConchError: a server failed; the answers so far are kept.
    """
    rows = find_rows(project, options.data)
    templates = read_templates(project)
    given = _named(options, sorted({one.training for one in templates.values()}))
    jobs = [_job(base, options, rows, project) for base in options.bases]
    registry.require("serve", jobs[0].hardware)
    with signals.catch_signals(), hold(project, NAME):
        bases = [
            _Base(name, job, _run_of(job, rows, project), template)
            for name, job, template in zip(options.bases, jobs, given, strict=True)
        ]
        for one in bases:
            link_exports(one.job, one.run, project)
            _perform(one, first_stages(one.job, rows), progress, "fetching")
        _choose_templates(bases, options, rows, project)
        for number, one in enumerate(bases, 1):
            progress.say(f"base {number} of {len(bases)}: {one.name}, by {one.job.template.name}")
            _perform(one, asking_stages(one.job, rows, options.limit), progress, "asking")
    results = [_result(one, rows) for one in bases]
    comparison: BasesComparison = {
        "data": rows.shown,
        "samples": len(results[0].rows),
        "limit": options.limit,
        **compared_bases(results),
    }
    file = project / "runs" / NAME / f"{rows.entry.name}.json"
    write_durable(file, json.dumps(comparison, ensure_ascii=False, indent=1) + "\n")
    return comparison, file


def _named(options: BasesOptions, known: Sequence[str]) -> list[str]:
    """The named template, or "", of each base.

    Raises:
        UsageError: too few or many bases, a duplicate, an unknown template, or a wrong number of templates.
    """
    if len(options.bases) < 2:  # noqa: PLR2004  a comparison
        raise UsageError(Problem("a comparison needs at least two bases", "--bases", "--bases A,B"))
    if len(options.bases) > MOST:
        what = f"{len(options.bases)} bases; a comparison takes at most {MOST}"
        raise UsageError(Problem(what, "--bases", "compare some of them first"))
    twice = sorted({base for base in options.bases if list(options.bases).count(base) > 1})
    if twice:
        raise UsageError(Problem(f"duplicate base: {', '.join(twice)}", "--bases", "name each base once"))
    named = list(options.templates) or [""]
    if len(named) not in (1, len(options.bases)):
        what = f"{len(named)} templates for {len(options.bases)} bases"
        raise UsageError(Problem(what, "--template", "one for all, or one for each, e.g. qwen3,llama3"))
    if unknown := [name for name in named if name and name not in known]:
        what = f"no chat template is paired with {', '.join(unknown)}"
        raise UsageError(Problem(what, "--template", f"there are: {', '.join(known)}"))
    return named * len(options.bases) if len(named) == 1 else named


def _job(base: str, options: BasesOptions, rows: Rows, project: Path) -> Job:
    """The job of a base before it is fetched."""
    # The user names a folder relative to the working directory; model.base is relative to the project.
    named = str(Path(base).expanduser().absolute()) if _FOLDER.match(base) else base
    template = any_template(read_templates(project))
    return job_of(named, options.hub, rows, template, project=project, hardware=options.hardware)


def _run_of(job: Job, rows: Rows, project: Path) -> Run:
    """The earlier run of this base with these rows, else a new one."""
    identity = plan_key(Plan(NAME, "", first_stages(job, rows)), job.lockfiles)
    for run in reversed(Run.all(project, NAME)):
        if any(event.get("identity") == identity for event in run.events()):
            sweep_leftovers(project, run.path)
            return run
    run = Run.create(project, NAME)
    run.append_event({"event": "made", "identity": identity})
    return run


def _perform(base: _Base, stages: Sequence[Stage], progress: Progress, saying: str) -> None:
    """Run stages of a base; errors name it."""
    headline = f"{NAME}: {saying} {base.name} on {base.job.hardware} ({base.job.compute_type})"
    serving = any(stage.service for stage in stages)
    places = {"serve": str(registry.require("serve", base.job.hardware))} if serving else {}
    symbols = symbols_of(places, base.run.project)
    run_tag = process_tree.new_run_tag(base.run.project, base.run.path)
    base.run.begin(headline, hardware=base.job.hardware, plan=" ".join(stage.name for stage in stages))
    plan = Plan(NAME, headline, tuple(stages), base.job.recipe.launch.launcher)
    try:
        with watchdog.guarded(run_tag):
            Loop(plan, base.run, symbols, base.job.lockfiles, progress, run_tag).perform()
    except ConchError as error:
        error.problems = tuple(replace(one, what=f"{base.name}: {one.what}") for one in error.problems)
        raise


def _choose_templates(bases: Sequence[_Base], options: BasesOptions, rows: Rows, project: Path) -> None:
    """Give each base its job with the chat template that fits, and all the same context length.

    Raises:
        UsageError: no template fits some bases. MissingError: no row is a question.
    """
    templates, problems = read_templates(project), []
    thinking = _thinking(bases[0].run, rows, options.limit)
    longest = min(longest_of(one.run.path / "inputs/base") for one in bases)
    for one in bases:
        known = template_of(one.name, one.run.path / "inputs/base", templates)
        found = Recognised(one.given) if one.given else known
        if found is None:
            what = "its chat template is missing or unknown"
            names = ", ".join(sorted({each.training for each in templates.values()}))
            problems.append(Problem(f"{one.name}: {what}", "--template", f"name one of: {names}"))
            continue
        one.template = replace(found, thinking=found.thinking or thinking)
        base = one.job.recipe.model.base
        one.job = job_of(
            base,
            options.hub,
            rows,
            one.template,
            project=project,
            hardware=options.hardware,
            longest=longest,
        )
    if problems:
        raise UsageError(*problems)


def _thinking(run: Run, rows: Rows, limit: int) -> str:
    """Whether to let thinking models think: "on" if at least half of the answers contain thinking."""
    samples = read_samples(run.path / CONVERSATIONS, [rows.entry.name], limit)
    if not samples:
        what = "no row ends in an answer to a user"
        raise MissingError(Problem(what, rows.shown, "use rows of questions and answers"))
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


def find_rows(project: Path, data: str) -> Rows:
    """A dataset by name, else a file or folder of rows by path.

    Raises:
        UsageError: there is neither. MissingError: there is no such file.
    """
    known = discovery.read_datasets(project)
    if data in known:
        return Rows(known[data], data)
    path = Path(data).expanduser().resolve()
    if not path.exists():
        named = "/" in data or bool(Path(data).suffix)
        what = "no such data file" if named else f'no dataset named "{data}", and no such file'
        hint = f"name a file of rows, or a dataset of {FOLDER}/: {', '.join(sorted(known)) or 'none yet'}"
        raise (MissingError if named else UsageError)(Problem(what, data, hint))
    entry = DatasetEntry(name_for(path.stem), file=path.name, sha256=sha256_path(path))
    return Rows(entry, data, path)


def job_of(
    base: str,
    hub: str,
    rows: Rows,
    template: Recognised,
    *,
    project: Path,
    hardware: str,
    longest: int = LONGEST,
) -> Job:
    """The job of a base.

    Args:
        base: as in model.base.
        hub: for a hub id.
        rows: the rows to ask.
        template: the training template of its chat template.
        project: the folder that contains chat_templates/.
        hardware: cpu, cuda or auto.
        longest: the context length in tokens.

    Raises:
        UsageError: the base or the template is invalid. MissingError: its folder or a data file is missing.
    """
    values = {
        "model": {"base": base, "hub": hub},
        "data": {"dataset": rows.entry.name},
        "template": {
            "name": template.training,
            "thinking": template.thinking or "on",
            "history": template.history or "keep",
        },
        "serve": {"max_model_len": longest},
    }
    try:
        source = RecipeSource(f"{NAME}.yaml", json.dumps(values))
        resolved = compose([source], profile=hardware, machine=machine.hardware())
        around = discovery.read_context(project, resolved)
        datasets = {rows.entry.name: rows.entry} if rows.file else {}
        return resolve(resolved, replace(around, datasets={**around.datasets, **datasets}))
    except (UsageError, MissingError) as error:
        # Nobody wrote this recipe: its values come from the command line.
        error.problems = tuple(
            replace(one, where=base) if one.where.startswith(f"{NAME}.yaml") else one
            for one in error.problems
        )
        raise


def any_template(templates: Mapping[str, ChatTemplate]) -> Recognised:
    """Any template of the project, for a job before its base is known.

    Raises:
        MissingError: the project has none.
    """
    for one in templates.values():
        values = (
            fallback if value == ANY else value
            for value, fallback in ((one.thinking, "on"), (one.history, "keep"))
        )
        return Recognised(one.training, *values)
    raise MissingError(
        Problem("the project has no chat templates", hint="copy Conch's chat_templates/ into it")
    )


def template_of(base: str, folder: Path, templates: Mapping[str, ChatTemplate]) -> Recognised | None:
    """The training template that fits a base's own chat template; None if unknown."""
    if base == EMBEDDED:
        return Recognised("deepseekr1")
    model_type = str((read_json(folder / "config.json") or {}).get("model_type") or "")
    return recognise(own_template(folder), model_type, templates)


def own_template(folder: Path) -> str:
    """The chat template of a model folder; "" for none."""
    if text := read_text(folder / "chat_template.jinja"):
        return text
    found = (read_json(folder / "tokenizer_config.json") or {}).get("chat_template")
    if isinstance(found, list):
        named = {one.get("name"): one.get("template") for one in found if isinstance(one, dict)}
        found = named.get("default")
    return found if isinstance(found, str) else ""


def longest_of(folder: Path) -> int:
    """The context length of a model in tokens, at most LONGEST."""
    config = read_json(folder / "config.json") or {}
    inner = config.get("text_config") or {}
    length = config.get("max_position_embeddings") or inner.get("max_position_embeddings")
    return min(length, LONGEST) if isinstance(length, int) and length > 0 else LONGEST


def first_stages(job: Job, rows: Rows) -> tuple[Stage, Stage]:
    """Fetch and prepare, without what only proofs need."""
    settings = prepare.settings(job)
    datasets = settings.datasets
    if rows.file:
        datasets = (replace(datasets[0], path=str(rows.file)), *datasets[1:])
    generated = replace(settings.generated, count=0)
    settings = replace(settings, datasets=datasets, held_out=(), generated=generated)
    return fetch.stage(job), prepare.stage(job, settings)


def asking_stages(job: Job, rows: Rows, limit: int) -> Sequence[Stage]:
    """The stages that ask the rows, then the questions of general knowledge, of one server."""
    defaults, name = Evaluate(), rows.entry.name
    wanted = Evaluation(
        split=name,
        datasets=(name,),
        limit=limit,
        max_tokens=Verify().max_tokens,
        temperature=defaults.temperature,
        concurrency=defaults.concurrency,
        thinking=llamafactory.THINKING[job.recipe.template.thinking],
    )
    service = base_service(job, warm_during="")
    files = served_files(job)
    stage = wanted.stage(f"eval-{BASE}", BASE, files=files, inputs=("inputs",), service=service)
    return stage, general_beside(stage)
