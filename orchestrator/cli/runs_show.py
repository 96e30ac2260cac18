"""`conch runs show`: a run's inputs and results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from orchestrator.cli.verb import Outcome, current_project, verb

if TYPE_CHECKING:
    from orchestrator.execute.run_store.listing import RunSummary
    from orchestrator.execute.run_store.manifest import Manifest


@verb(example="conch runs show magic_conch\nconch runs show magic_conch/20261125-084143-b65b --json")
@click.argument("run", metavar="RUN")
def command(run: str) -> Outcome:
    """Show a run's inputs and results. RUN is RECIPE/ID, or RECIPE for its latest run.

    Each recipe value is shown with where it was set. Defaults are left out here; --json includes them
    (the run's manifest.json).
    """
    from orchestrator.errors import MissingError, Problem
    from orchestrator.execute.run_store.listing import summary_of
    from orchestrator.execute.run_store.manifest import MANIFEST, read_manifest
    from orchestrator.execute.run_store.run_folder import Run

    folder = Run.open(current_project(), run)
    summary = summary_of(folder, look_around=True)
    manifest = read_manifest(folder)
    data = {"folder": str(folder.path), **summary.to_json(), "manifest": manifest}
    try:
        return Outcome(data, "\n".join(_lines(summary, manifest)))
    except (KeyError, TypeError, AttributeError, ValueError):
        what = "the run's manifest is damaged, or another version of Conch made it"
        raise MissingError(Problem(what, str(folder.path / MANIFEST))) from None


def _lines(summary: RunSummary, manifest: Manifest) -> Iterator[str]:
    from orchestrator.cli.text.terminal import aligned, local_time
    from orchestrator.outside import one_line

    yield f"{summary.run}: {summary.standing}" + (f", {one_line(summary.reason)}" if summary.reason else "")
    if not manifest:
        yield "no manifest.json: an older version of Conch made this run"
        return
    yield one_line(str(manifest["headline"]))
    yield ""
    for number, one in enumerate(manifest["attempts"], start=1):
        end = f"{local_time(one['ended'])}, exit {one['exit_code']}" if one.get("ended") else "unfinished"
        why = one_line(one.get("reason") or "")
        yield f"attempt {number}   {local_time(one['began'])} to {end}  {why}".rstrip()
    yield ""
    yield "inputs"
    yield from aligned([list(map(one_line, row)) for row in _inputs(manifest)], indent="  ")
    yield ""
    yield "results"
    yield from aligned([list(map(one_line, row)) for row in _results(manifest)], indent="  ")


def _inputs(manifest: Manifest) -> Iterator[list[str]]:
    for key, value in manifest["recipe"].items():
        if value["from"] != "default":
            yield [key, _short(value["value"]), value["from"]]
    for name, data in manifest["data"].items():
        yield [f"data {name}", data["file"], data["is"]]
    base, conch, hardware = manifest["base"], manifest["conch"], manifest["hardware"]
    yield ["base", base.get("name") or base["asked_for"], base.get("revision", "")]
    if reward := manifest.get("reward"):
        yield ["reward", reward["asked_for"], reward.get("revision", "")]
    for name, pins in manifest["environments"].items():
        packages = ", ".join(f"{package} {version}" for package, version in pins["packages"].items())
        yield [f"{name} environment", pins["lockfile"], packages]
    yield ["Conch", conch["version"], conch["commit"]]
    gpus = ", ".join(gpu["name"] for gpu in hardware["gpus"]) or "no GPU"
    yield ["hardware", hardware["profile"], f"{hardware['cores']} cores, {hardware['memory_gb']} GB, {gpus}"]


def _results(manifest: Manifest) -> Iterator[list[str]]:
    for name, stage in manifest["stages"].items():
        took = f"{stage['seconds']} s" if "seconds" in stage else ""
        yield [name, stage.get("status", "not run"), took]
    for name, proof in manifest["proofs"].items():
        yield [f"proof {name}", "holds" if proof["holds"] else "REFUTED", ""]
    for name, (passed, cases) in manifest["results"].items():
        yield [name.replace("_", " "), f"{passed} of {cases} passed", ""]


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"  # noqa: PLR2004  one line of a terminal
