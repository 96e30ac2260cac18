"""A training that was asked to end early and did not write its result: one step more, in which it does.

A training of several processes saves a checkpoint when it is asked to end, and then says that it failed
(torchrun). Gone on with from there to the next step, the trainer itself writes the adapter and its curves.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.backends.llamafactory import resumed
from orchestrator.errors import Problem, StageFailed
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.checkpoints import go_on
from orchestrator.plan.stage import Command, Stage


def closing(run: Run, stage: Stage, command: Command, key: str) -> tuple[Stage, Command]:
    """The stage, which nothing ends early now, and the command that closes it.

    Raises:
        StageFailed: it left no whole checkpoint.
    """
    found, _ = go_on(run, stage.name, stage.resumes, key)
    if found is None:
        what = "the training saved nothing when it was asked to end early"
        hint = "set train.plateau to 0, or save more often (train.save_steps)"
        raise StageFailed(Problem(what, str(run.path / "logs" / f"{stage.name}.log"), hint))
    return replace(stage, plateau=0.0), resumed(command, found.path, last_step=found.step + 1)
