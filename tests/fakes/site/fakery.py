"""What both fakes share: the FAULT switch and a flat YAML reader. Standard library only.

FAULT (or CONCH_FAULT, which children inherit) is one of:

    oom                 dies as the real one does when memory is full
    hang                silent and idle for ever
    slow-ready          takes its time, and says so
    die-after-ready     serves one completion, then is killed
    ignore-term         ignores SIGTERM and floods its output
    deaf                ignores SIGTERM and hangs
    setsid-grandchild   leaves a grandchild in a session of its own
    wedge-health-ok     /health and /v1/models answer, completions never do
    flood               prints without end while it works
    bad-utf8            prints bytes that are no UTF-8, and terminal escapes
    wedge-after-ready   answers, and says that a request runs for which no token comes
    no-metrics          serves without /metrics
    other-sampling      samples at temperature 1.0, whatever it is told
    unsure              answers at its default temperature are right only every other time
    partial-output      writes half of its output and dies
    prefers-worse       the trained model prefers the worse answers of pairs
    squashed            a reward model's scores went through a sigmoid
    random-head         the trainer of PPO reads a reward model without its head
    exit-0-no-output    says it succeeded and wrote nothing
    kill-in-training    is killed two steps after it began
    kill-in-checkpoint  is killed while it saves its second checkpoint
    kill-in-export      is killed while it writes the export
    one-answer          learns the answer to the first row for every question
    full-in-export      finds the disk full while it writes the export
    hang-in-training    is busy without end after its second step
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

FAULT = os.environ.get("FAULT") or os.environ.get("CONCH_FAULT", "")


def say(text: str) -> None:
    """One line of log."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def misbehave() -> None:
    """The faults that do not depend on which program it is."""
    if FAULT == "hang":
        time.sleep(3600)
    if FAULT in {"ignore-term", "deaf"}:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if FAULT == "deaf":
        time.sleep(3600)
    if FAULT in {"flood", "ignore-term"}:
        threading.Thread(target=_flood, daemon=True).start()
    if FAULT == "setsid-grandchild":
        subprocess.Popen(["sleep", "3600"], start_new_session=True)
    if FAULT == "bad-utf8":
        sys.stdout.buffer.write(b"\xff\xfe loading \x1b[2J\x1b]52;c;AAAA\x07 \xe7\xa5\n")
        sys.stdout.flush()


def _flood() -> None:
    while True:
        sys.stdout.write("x" * 4096 + "\n")
        time.sleep(0.001)


def read_flat_yaml(path: str) -> dict[str, str]:
    """The top-level scalars of a YAML file, as text."""
    with Path(path).open(encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file if ":" in line and not line.startswith((" ", "#", "-"))]
    pairs = (line.split(":", 1) for line in lines)
    return {key.strip(): value.strip().strip("'\"") for key, value in pairs}


_HEADER = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
TINY_SAFETENSORS = len(_HEADER).to_bytes(8, "little") + _HEADER + b"\0\0\x80?"
_HEAD = (
    b'{"v_head.summary.bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
    b'"v_head.summary.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[4,8]}}'
)
VALUE_HEAD = len(_HEAD).to_bytes(8, "little") + _HEAD + b"\0\0\x80?" * 2
