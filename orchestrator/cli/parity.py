"""`conch parity`: is the model asked the way it was taught?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from orchestrator.cli.verb import Outcome, hardware_option, recipe_argument, set_option, verb


@verb(example="conch parity magic_conch\nconch parity magic_conch --chat-template official.jinja --json")
@recipe_argument
@set_option
@hardware_option
@click.option(
    "--chat-template",
    type=click.Path(path_type=Path),
    help="Compare this jinja instead of the one that Conch pairs with the recipe.",
)
def command(*, recipe: str, sets: Sequence[str], hardware: str, chat_template: Path | None) -> Outcome:
    """Compare the tokens of training with the tokens of serving.

    Over the recipe's own rows and generated ones: ids made by LLaMA-Factory inside the train environment
    against ids made by vLLM inside the serve environment. Exits 0 when they are equal or the served prompt
    only adds the first trained tokens; 5 otherwise, with the first position that differs.
    """
    import json

    from orchestrator.cli.live import Live
    from orchestrator.execute import recipes, survey
    from orchestrator.execute.run_plan import run_recipe
    from orchestrator.plan import PARITY, build_plan
    from orchestrator.stages.base import DATA_PROOF

    project = recipes.project_folder(Path.cwd())
    job = survey.read_job(recipe, project=project, sets=sets, hardware=hardware, chat_template=chat_template)
    live = Live()
    # A template that is only tried is no run of the recipe: it must not become its last one.
    home = project if chat_template is None else project / "runs" / ".parity"
    folder, _ = run_recipe(build_plan(job, PARITY), job, project=project, home=home, progress=live)
    path = folder / DATA_PROOF / "parity.json"
    parity = json.loads(path.read_text(encoding="utf-8"))
    parity["proof"] = str(path)
    return Outcome(data=parity, text=_text(parity), exit_code=0 if parity["holds"] else 5)


def _text(parity: dict[str, Any]) -> str:
    from orchestrator.cli.terminal import visible

    counts = ", ".join(f"{number} {name}" for name, number in parity["counts"].items() if number)
    lines = [f"{'equal' if parity['holds'] else 'different'}: {counts} ({parity['covered']})"]
    first = parity.get("first_difference")
    if first:
        lines += [f"{name:<14} {visible(str(value))}" for name, value in first.items()]
    lines.append(f"all of it      {parity['proof']}")
    return "\n".join(lines)
