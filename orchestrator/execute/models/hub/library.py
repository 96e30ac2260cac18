"""Which Python has the library of a hub: our own, else for ModelScope the train environment's."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.models.hub.names import HOME_PAGES

MODULES = {"huggingface": "huggingface_hub", "modelscope": "modelscope_hub"}


def python_for(hub: str, hardware: str) -> str:
    """The Python that runs the downloader.

    Raises:
        UsageError: there is no such hub.
        MissingError: neither environment has modelscope.
    """
    if hub not in HOME_PAGES:
        raise UsageError(Problem(f"no hub {hub!r}", hint=f"model.hub is one of {', '.join(HOME_PAGES)}"))
    if find_spec(MODULES[hub]):
        return sys.executable
    python = _train(hardware) / "bin" / "python"
    if not list(python.parents[1].glob(f"lib/python*/site-packages/{MODULES[hub]}")):
        raise _absent(f"the train environment at {python.parents[1]} lacks it, too")
    return str(python)


def _train(hardware: str) -> Path:
    from orchestrator.execute.environments import registry
    from orchestrator.execute.host import machine

    try:
        return Path(registry.require("train", machine.profile(hardware)))
    except MissingError as error:
        raise _absent(str(error.problems[0].what)) from None


def _absent(why: str) -> MissingError:
    hint = "conch env sync train, or: pip install 'conch[modelscope]'"
    return MissingError(Problem(f"modelscope is not installed; {why}", hint=hint))
