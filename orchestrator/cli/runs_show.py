"""`conch runs show`: a run's inputs and results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.verb import Outcome, verb

if TYPE_CHECKING:
    from orchestrator.execute.run_store.listing import RunSummary


@verb(example="conch runs show magic_conch\nconch runs show magic_conch/20261125-084143-b65b --json")
@click.argument("run", metavar="RUN")
def command(run: str) -> Outcome:
    """Show a run's inputs and results. RUN is RECIPE/ID, or RECIPE for its latest run.

    Each recipe value is shown with where it was set. Defaults are left out here; --json includes them
    (the run's manifest.json).
    """
    from pathlib import Path

    from orchestrator.execute.project import recipes
    from orchestrator.execute.run_store.listing import summary_of
    from orchestrator.execute.run_store.manifest import read_manifest
    from orchestrator.execute.run_store.run_folder import Run

    folder = Run.open(recipes.project_folder(Path.cwd()), run)
    summary = summary_of(folder, look_around=True)
    manifest = read_manifest(folder)
    data = {"folder": str(folder.path), **summary.to_json(), "manifest": manifest}
    return Outcome(data, "\n".join(_lines(summary, manifest)))


def _lines(summary: RunSummary, manifest: Mapping[str, Any]) -> Iterator[str]:
    from orchestrator.cli.text.terminal import aligned, local_time, one_line

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


def _inputs(manifest: Mapping[str, Any]) -> Iterator[list[str]]:
    for key, one in manifest["recipe"].items():
        if one["from"] != "default":
            yield [key, _short(one["value"]), one["from"]]
    for name, one in manifest["data"].items():
        yield [f"data {name}", one["file"], one["is"]]
    base, conch, hardware = manifest["base"], manifest["conch"], manifest["hardware"]
    yield ["base", str(base.get("name") or base["asked_for"]), str(base.get("revision", ""))]
    for name, one in manifest["environments"].items():
        packages = ", ".join(f"{package} {version}" for package, version in one["packages"].items())
        yield [f"{name} environment", one["lockfile"], packages]
    yield ["Conch", conch["version"], conch["commit"]]
    gpus = ", ".join(gpu["name"] for gpu in hardware["gpus"]) or "no GPU"
    yield ["hardware", hardware["profile"], f"{hardware['cores']} cores, {hardware['memory_gb']} GB, {gpus}"]


def _results(manifest: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, one in manifest["stages"].items():
        took = f"{one['seconds']} s" if "seconds" in one else ""
        yield [name, one.get("status", "not run"), took]
    for name, one in manifest["proofs"].items():
        yield [f"proof {name}", "holds" if one["holds"] else "REFUTED", ""]
    for name, (passed, asked) in manifest["results"].items():
        yield [name.replace("_", " "), f"{passed} of {asked} passed", ""]


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"  # noqa: PLR2004  one line of a terminal
