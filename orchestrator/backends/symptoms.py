"""Explains the logs of LLaMA-Factory, vLLM and torch after a failure. Pure.

Messages change between versions: an unknown one is shown unchanged.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from itertools import islice, takewhile

from orchestrator import outside
from orchestrator.backends.base import Symptom
from orchestrator.backends.engines import ENGINES
from orchestrator.errors import Problem

LAST_LINES = 30
_BLOCK_LINES = 12
_WIDTH = 400
_TRACEBACK = "Traceback (most recent call last)"
_ERROR = re.compile(r"\b(?:ERROR|CRITICAL|FATAL|[Ee]rror:)")
_EXCEPTION = re.compile(r"(?:^|[ \]])[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning)\b(?::|$)")


# The first match wins.
SYMPTOMS: tuple[Symptom, ...] = (
    *(symptom for engine in ENGINES.values() for symptom in engine.symptoms),
    Symptom(
        r"CUDA out of memory|torch\.OutOfMemoryError|CUDA error: out of memory",
        "the GPU is out of memory",
        "lower train.batch_size or train.cutoff_len, raise train.gradient_accumulation",
    ),
    Symptom(
        r"\bMemoryError\b|[Cc]annot allocate memory|DefaultCPUAllocator: (?:can't|not enough)",
        "the machine is out of memory",
        "lower train.batch_size or train.cutoff_len, or close other programs",
    ),
    Symptom(
        r"No space left on device",
        "disk full: no space left on device",
        "free some space, then run the same command again",
    ),
    Symptom(
        r"[Aa]ddress already in use",
        "its port is in use by another process",
        "choose another one with --port, or `conch stop`",
        missing=True,
    ),
    Symptom(
        r"libnuma\.so\.1: cannot open shared object",
        "the system library libnuma is missing",
        "install libnuma1 (Debian, Ubuntu) or numactl-libs (Fedora)",
        missing=True,
    ),
    Symptom(
        r"(?m)^(?:usage: )?llamafactory-cli[^\n]*: error: (?P<message>[^\n]+)",
        "it rejects its options: {message}",
        "correct the recipe's llamafactory: passage",
    ),
    Symptom(
        r"Some keys are not used by the HfArgumentParser: (?P<keys>[^\n]+)",
        "LLaMA-Factory does not know {keys}",
        "remove them from the recipe's llamafactory: section",
    ),
    Symptom(
        r"ModuleNotFoundError: No module named '(?P<module>[^']+)'",
        "its environment lacks the module {module}",
        "conch env sync",
        missing=True,
    ),
)


def latest_phase(text: str, phases: Sequence[tuple[str, str]]) -> str:
    """The phase whose pattern comes last in a piece of a starting server's log; "" for none."""
    best, where = "", -1
    for pattern, phase in phases[1:]:
        for found in re.finditer(pattern, text):
            if found.start() > where:
                best, where = phase, found.start()
    return best


def lacks(text: str) -> bool:
    """Whether the cause in the log is something missing rather than broken."""
    found = _diagnose(text)
    return found is not None and found[0].missing


def _diagnose(text: str) -> tuple[Symptom, dict[str, str]] | None:
    for symptom in SYMPTOMS:
        if found := re.search(symptom.pattern, text):
            groups = {name: visible(value or "") for name, value in found.groupdict().items()}
            return symptom, groups | _fits(groups)
    return None


def _fits(groups: Mapping[str, str]) -> dict[str, str]:
    """The share of the GPU memory that is free, less a little for the driver."""
    try:
        free, total = float(groups["free"]), float(groups["total"])
        return {"fits": f"{max(0.0, free / total - 0.02):.2f}"}
    except (KeyError, ValueError, ZeroDivisionError):
        return {}


def explain(text: str, exit_code: int) -> Problem:
    """The cause and its fix, or the first error block of the log; exit code 128 + n means signal n."""
    ended = _ended(exit_code)
    if diagnosis := _diagnose(text):
        symptom, groups = diagnosis
        return Problem(f"{ended}: {symptom.what.format(**groups)}", hint=symptom.hint.format(**groups))
    block = first_error(text)
    shown = "\n".join(f"    {line}" for line in block)
    hint = "give it more memory, or lower train.batch_size" if exit_code == 128 + signal.SIGKILL else ""
    return Problem(f"{ended}\n{shown}" if shown else f"{ended}; its log is empty", hint=hint)


def _ended(exit_code: int) -> str:
    if exit_code <= 128:  # noqa: PLR2004  a shell's convention
        return f"ended with exit code {exit_code}"
    number = exit_code - 128
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"ended with exit code {exit_code}"
    suggestion = " (out of memory?)" if number == signal.SIGKILL else ""
    return f"was killed by signal {number}, {name}{suggestion}"


def first_error(text: str) -> list[str]:
    """The first error block, because vLLM prints the root cause first.

    Of a traceback, the exception and where it was raised. Without an error, the last lines.
    """
    lines = [visible(line) for line in text.splitlines() if line.strip()]
    traced = next((at for at, line in enumerate(lines) if _TRACEBACK in line), None)
    at_error = next((at for at, line in enumerate(lines) if _ERROR.search(line)), None)
    if traced is not None:
        head = (
            lines[at_error : min(at_error + 3, traced)] if at_error is not None and at_error < traced else []
        )
        return [*head, *_cause(lines[traced + 1 :])]
    return lines[-_BLOCK_LINES:] if at_error is None else lines[at_error : at_error + _BLOCK_LINES]


def _cause(traceback: list[str]) -> list[str]:
    """The exception's lines and the two above them, with any logger prefix."""
    for at, line in enumerate(traceback):
        if _EXCEPTION.search(line):
            rest = takewhile(
                lambda one: _TRACEBACK not in one and "During handling" not in one, traceback[at:]
            )
            return [*traceback[max(0, at - 2) : at], *islice(rest, 5)]
    return traceback[-_BLOCK_LINES:]


def last_lines(text: str, count: int = LAST_LINES) -> str:
    """The last lines of a log, safe to print."""
    return "\n".join(visible(line) for line in text.splitlines()[-count:])


def visible(line: str) -> str:
    """One line without control, bidirectional or zero-width characters: they are shown as escapes."""
    last = line.rstrip("\r\n").rpartition("\r")[2]  # a progress bar overwrites itself: keep its last state
    shown = outside.visible(last)
    return shown if len(shown) <= _WIDTH else shown[: _WIDTH - 1] + "…"
