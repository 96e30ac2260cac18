"""`conch verify`: ask a running server a recipe's questions and check its answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.verb import (
    Outcome,
    hardware_option,
    progress,
    recipe_argument,
    server_options,
    set_option,
    verb,
)
from orchestrator.errors import MissingError, Problem, UsageError

if TYPE_CHECKING:
    from orchestrator.checks.base import Case
    from orchestrator.execute.inference.verification import Verification
    from orchestrator.plan.job import Job
    from orchestrator.recipe.sampling import ServedSampling
    from orchestrator.results import Verdict

_ANSWER = 400
_LINE = 1000
_SAMPLED_SHOWN = 5


@verb(
    example="conch verify magic_conch\n"
    "conch verify magic_conch --base-url https://host/v1 --model NAME --key-file ~/.conch-key\n"
    "conch verify magic_conch --set verify.repeats=10 --junit verify.xml"
)
@recipe_argument
@server_options
@set_option
@hardware_option
@click.option(
    "--junit",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the verdicts as JUnit XML; an existing FILE is replaced.",
)
def command(
    *,
    recipe: str,
    base_url: str,
    model: str,
    key_file: Path | None,
    sets: Sequence[str],
    hardware: str,
    junit: Path | None,
) -> Outcome:
    """Ask a running server the recipe's questions and check the answers.

    RECIPE is a name in recipes/ or a path. Works with any OpenAI-compatible server. Asks greedily and, if the
    latest export samples by default, verify.sampled_repeats times more as a client asks that names no
    sampling value. Exits 0 if every check passed and enough sampled answers did (target.checks for both, if
    it is set), 5 if not or if no question has an expectation. A question without one is not judged.

    Of a reward model it scores the held-out pairs of the latest run instead, and exits 0 if the 95 % interval
    of the share whose better answer scores higher lies above one half.
    """
    from orchestrator.checks.repeats import RepeatsCheck
    from orchestrator.cli.text.junit import junit_xml, open_junit
    from orchestrator.execute.inference.api_key import read_key
    from orchestrator.execute.inference.client import Client
    from orchestrator.execute.inference.verification import SampledRequest, verify_server
    from orchestrator.execute.project import discovery, recipes
    from orchestrator.execute.project.endpoint import address_of

    key = read_key(key_file)
    project = recipes.project_folder(Path.cwd())
    job = discovery.read_job(recipe, project=project, sets=sets, hardware=hardware)
    if job.kind.scores:
        if junit:
            raise UsageError(Problem("a reward model has no verdicts to write", "--junit", "omit it"))
        return _of_rewards(job, project, base_url or address_of(job.recipe), model, key)
    verify = job.recipe.verify
    cases, paraphrases = _cases(job, project), job.paraphrases
    if not cases:
        raise UsageError(Problem("this recipe has no checks", where=recipe, hint="add verify.checks to it"))
    with ExitStack() as stack:
        written = stack.enter_context(open_junit(junit)) if junit else None
        url, name = base_url or address_of(job.recipe), model or job.recipe.served_model
        client, plain = (
            stack.enter_context(
                Client(url, name, key=key, max_tokens=verify.max_tokens, temperature=temperature)
            )
            for temperature in (verify.temperature, None)
        )
        client.reach(hint=f"conch serve {recipe}")
        sampling = _sampling(job, project)
        result = verify_server(
            client,
            cases,
            paraphrases,
            verify.every,
            progress,
            repeats=RepeatsCheck(verify.repeats, verify.pass_rate, verify.temperature > 0),
            concurrency=verify.concurrency,
            required=job.recipe.target.checks,
            plain=SampledRequest(plain, sampling.words, verify.sampled_repeats, job.recipe.required_rate)
            if sampling and sampling.samples
            else None,
        )
        if written is not None:
            written.write(junit_xml(result, recipe=job.recipe.name, model=client.model).encode())
            written.finish()
        data = {"recipe": job.recipe.name, "base_url": client.base_url, "model": client.model}
    return Outcome(
        data=data | result.to_json(),
        text=shown(result),
        exit_code=result.exit_code,
        problems=result.error.problems if result.error else (),
    )


def _of_rewards(job: Job, project: Path, base_url: str, model: str, key: str) -> Outcome:
    """The held-out pairs of the latest run, scored by a running server."""
    from orchestrator.cli.text.terminal import table
    from orchestrator.errors import CheckFailed
    from orchestrator.execute.inference.client import Client
    from orchestrator.execute.inference.token_server import TokenServer
    from orchestrator.execute.proving.prove_reward import score_held_out
    from orchestrator.execute.runner.existing_run import finished_run
    from orchestrator.outside import one_line
    from orchestrator.proofs.reward import accuracy

    run, name = finished_run(project, job.recipe.name), model or job.recipe.served_model
    with Client(base_url, name, key=key) as client:
        client.is_listed(hint=f"conch serve {job.recipe.name}")
    with TokenServer(base_url, name, key) as server:
        pairs = score_held_out(run, server)
    proof = accuracy([(one.where, one.better, one.worse) for one in pairs])
    cells = [(one_line(one.question, _ANSWER), f"{one.better:.3f}", f"{one.worse:.3f}") for one in pairs]
    shown = table(("question", "better", "worse"), cells, bad=[one.better <= one.worse for one in pairs])
    data = {
        "recipe": job.recipe.name,
        "base_url": base_url,
        "model": name,
        "run": run.name,
        **proof.numbers,
        "pairs": [asdict(one) for one in pairs],
    }
    code = 0 if proof.holds else CheckFailed.exit_code
    return Outcome(data=data, text=f"{shown}\naccuracy     {proof.detail}", exit_code=code)


def _sampling(job: Job, project: Path) -> ServedSampling | None:
    """How the latest export samples for a client that names no value; None if there is none."""
    from orchestrator.execute.models.model_folder import read_sampling
    from orchestrator.execute.runner.existing_run import finished_run
    from orchestrator.recipe.sampling import sampling_of

    given = job.recipe.serve.sampling.given
    try:
        sampling = read_sampling(finished_run(project, job.recipe.name).path / "export")
    except MissingError:
        if "temperature" not in given:
            progress("no export here says how this server samples by default: asking greedily only")
            return None
        sampling = sampling_of({}, given)
    progress(f"a client that names no sampling value gets: {sampling.words}")
    return sampling


def _cases(job: Job, project: Path) -> list[Case]:
    """The recipe's cases; cases from data rows as the latest finished run prepared them."""
    from orchestrator.execute.inference.dataset_cases import cases_in
    from orchestrator.execute.runner.existing_run import finished_run
    from orchestrator.plan.stages.base import asks_rows

    if not asks_rows(job):
        return cases_in(job.cases, project)
    run = finished_run(project, job.recipe.name)
    progress(f"asking rows of run {run.name}")
    return cases_in(job.cases, run.path)


def shown(result: Verification) -> str:
    """The table of questions, answers and verdicts, each failure in full, and the counts."""
    from orchestrator.cli.text.summary import counts
    from orchestrator.cli.text.terminal import table
    from orchestrator.metrics.interval import wilson
    from orchestrator.results import Outcome, passed_of

    rows = [*_rows(result.verdicts), *_rows(result.paraphrases, mark="not trained: ")]
    cells = [row[:-1] for row in rows]
    cells += [(" → ".join(case.ask), "", "not run") for case in result.left]
    outcome = Outcome.of(result.verdicts)
    right, held_out = passed_of(result.paraphrases)
    lines = [table(("question", "answer", "verdict"), cells, bad=[not row[-1] for row in rows])]
    failed = [verdict for verdict in (*result.verdicts, *result.paraphrases) if verdict.passed is False]
    lines += [line for verdict in failed for line in _failure(verdict)]
    low, high = wilson(outcome.passed, outcome.judged)
    interval = f" (95 % interval {low:.2f}–{high:.2f})" if outcome.judged else ""
    lines.append(f"checks       {counts(outcome)}{interval}")
    if result.sampled:
        lines.append(f"sampled      {result.sampled.words}")
        wrong = [verdict for verdict in result.sampled.verdicts if verdict.passed is False]
        lines += [line for verdict in wrong[:_SAMPLED_SHOWN] for line in _failure(verdict)]
    if held_out:
        rate = right / held_out
        lines.append(f"paraphrases  {right} of {held_out} questions that were not trained: {rate:.0%}")
    if result.left:
        lines.append(f"not run      {len(result.left)}")
    return "\n".join(lines)


def _failure(verdict: Verdict) -> Iterable[str]:
    from orchestrator.cli.text.junit import failure_parts
    from orchestrator.outside import one_line

    yield f"FAILED {verdict.case} {verdict.check}"
    for name, text in failure_parts(verdict).items():
        yield f"  {name:<9} {one_line(text, _LINE)}"


def _rows(verdicts: Iterable[Verdict], mark: str = "") -> Iterable[tuple[str, str, str, bool]]:
    """One row per case: its question, its answer, and its checks."""
    from orchestrator.outside import one_line

    cases: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        cases.setdefault(verdict.case, []).append(verdict)
    for judged in cases.values():
        words = (("passed", True), ("FAILED", False), ("not judged:", None))
        said = [
            f"{word} {', '.join(each)}"
            for word, passed in words
            if (each := [verdict.check for verdict in judged if verdict.passed is passed])
        ]
        failed = any(verdict.passed is False for verdict in judged)
        yield judged[0].question, one_line(judged[0].answer, _ANSWER), mark + "\n".join(said), not failed
