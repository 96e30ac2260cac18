"""The argv of a child process, symbols replaced, and its allow-listed environment.

Only the variables named here pass from the user's environment to a child: a forgotten PYTHONPATH, engine
switch or API key must neither change a result nor end up in a log.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from orchestrator.execute.host.machine import bound_cores
from orchestrator.execute.processes.process_tree import VARIABLE
from orchestrator.hubs import variables
from orchestrator.plan.stage import Command, Runtime

PROBES = Path(__file__).parents[2] / "probes"

Symbols = Mapping[str, str]

_EVERYWHERE = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|TERM|COLUMNS|NO_COLOR"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NODE_EXTRA_CA_CERTS"
    r"|LD_LIBRARY_PATH|CUDA_HOME|CUDA_VISIBLE_DEVICES|NVIDIA_[A-Z_]+|CONCH_[A-Z_]+|XDG_[A-Z_]+"
)
# Only Conch's own tasks use the network, and the hubs' variables with it; engines are offline.
_CONCH = re.compile(r"(?:HTTP|HTTPS|ALL|NO|http|https|all|no)_(?:PROXY|proxy)|UV_[A-Z_]+|PIP_[A-Z_]+")
_SECRET = re.compile(r".*(?:TOKEN|KEY|SECRET|PASSWORD|CREDENTIAL).*")

_ALWAYS = {
    "PYTHONUTF8": "1",  # UTF-8 for files and pipes in every locale
    "PYTHONUNBUFFERED": "1",  # the log is read while it grows
    "SPT_NOENV": "1",  # setproctitle would overwrite the environment that the run tag is read from
}
_ENGINES = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "true",
    "DO_NOT_TRACK": "1",
}
# Threads that spin while they wait for each other take the cores that the others need, and memory given
# back to the kernel after every step has to be fetched again (benchmarks/train_speed.py).
_TRAINING = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
    "MALLOC_TOP_PAD_": "67108864",
}
_RUNTIMES: Mapping[Runtime, Mapping[str, str]] = {
    Runtime.CONCH: {},
    Runtime.TRAIN: {**_ENGINES, **_TRAINING},
    Runtime.SERVE: _ENGINES,
    Runtime.PPO: {**_ENGINES, **_TRAINING},
}


def symbols_of(environments: Mapping[str, str], project: Path) -> dict[str, str]:
    """What a plan's symbols stand for (plan/stage.py): the folders of the environments, and Conch's own."""
    return {**environments, "conch": sys.prefix, "probes": str(PROBES), "project": str(project)}


def replace(text: str, symbols: Symbols) -> str:
    """Replace {name} by its value for the known names; leave other braces."""
    for name, value in symbols.items():
        text = text.replace("{" + name + "}", value)
    return text


def resolve_argv(command: Command, symbols: Symbols) -> tuple[str, ...]:
    """The argv that is executed."""
    return tuple(replace(word, symbols) for word in command.argv)


def child_environment(
    command: Command,
    *,
    run_tag: str,
    symbols: Symbols | None = None,
    extra: Mapping[str, str] | None = None,
    source: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The complete environment of a child.

    Its runtime decides the engine's settings; `command.env`, with the symbols replaced, and the secrets are
    added, `extra` last. `source` is the environment to filter, this process's when None.
    """
    given = os.environ if source is None else source
    allowed = {name: value for name, value in given.items() if _is_allowed(name, command.runtime)}
    secrets = {name: given[name] for name in command.secrets if name in given}
    here = {"cores": bound_cores(), **(symbols or {})}
    own = {name: replace(value, here) for name, value in command.env.items()}
    fixed = {**_ALWAYS, **_RUNTIMES[command.runtime]}
    if home := (symbols or {}).get(command.runtime.value):
        # LLaMA-Factory calls torchrun by its name alone where there are several GPUs (launcher.py).
        fixed["PATH"] = f"{home}/bin:{allowed.get('PATH', os.defpath)}"
    return {**allowed, **secrets, **fixed, **own, **(extra or {}), VARIABLE: run_tag}


def _is_allowed(name: str, runtime: Runtime) -> bool:
    if runtime is Runtime.CONCH and name in variables():
        return True
    if name == VARIABLE or _SECRET.fullmatch(name):
        return False
    if runtime is Runtime.CONCH and _CONCH.fullmatch(name):
        return True
    return bool(_EVERYWHERE.fullmatch(name))
