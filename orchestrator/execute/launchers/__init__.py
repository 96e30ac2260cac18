"""Where the commands and services of a plan run: one module per launcher, in LAUNCHERS.

A recipe chooses one with `launch:`. Here: the protocol (base.py), the launchers, and running a command with
one (commands.py). Not here: helper processes that only make sense on this machine (nvidia-smi, uv, the
template sandbox, hub downloads, the watchdog). Rooms from environments/ upwards import it.
"""

from collections.abc import Mapping

from orchestrator.errors import Problem, UsageError, did_you_mean
from orchestrator.execute.launchers import local
from orchestrator.execute.launchers.base import Launched, Launcher

__all__ = ["LAUNCHERS", "Launched", "Launcher", "launcher"]

LAUNCHERS: dict[str, Launcher] = {"local": local}


def launcher(name: str, where: str = "", known: Mapping[str, Launcher] = LAUNCHERS) -> Launcher:
    """The launcher of that name; UsageError, at `where`, when there is none."""
    if name not in known:
        what = f'launch: no launcher named "{name}"{did_you_mean(name, known)}'
        raise UsageError(Problem(what, where, f"one of: {', '.join(known)}"))
    return known[name]
