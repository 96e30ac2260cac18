"""A hostile case, run and measured, and what is wrong with how it was answered."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests import forks
from tests.faults.hostile import Hostile, Place

SECONDS = 10
MEGABYTES = 300
KILL_AFTER = 90  # on a busy machine a case of seconds takes a minute
MOST_MEMORY = 3 << 30  # bytes
# C0 but newline and tab, DEL, C1, line separators, and what turns the direction of a text.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_CRASHED = ("Traceback (most recent call last)", "a bug in Conch")


@dataclass(frozen=True)
class Measured:
    """How a command ended, what it said, and what it cost."""

    code: int
    seconds: float
    cpu: float
    megabytes: float
    left: bool
    out: bytes = b""
    err: bytes = b""


def run(words: tuple[str, ...], cwd: Path, env: Mapping[str, str], stdin: bytes = b"") -> Measured:
    """A command line, to its end."""
    with TemporaryDirectory() as folder:
        given, out, err = (Path(folder, name) for name in ("stdin", "out", "err"))
        given.write_bytes(stdin)
        child = forks.start(
            words, cwd=cwd, env=env, stdin=given, out=out, err=err, group=True, data=MOST_MEMORY
        )
        began = time.monotonic()  # the first one waits for the fork server, too
        try:
            code = child.wait(KILL_AFTER)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            code = child.wait()
        seconds = time.monotonic() - began - child.waited
        try:
            os.killpg(child.pid, signal.SIGKILL)
            left = True
        except ProcessLookupError:
            left = False
        assert child.usage is not None
        cpu, megabytes = child.usage.ru_utime + child.usage.ru_stime, child.usage.ru_maxrss / 1024
        return Measured(code, seconds, cpu, megabytes, left, out.read_bytes(), err.read_bytes())


def failings(case: Hostile, place: Place) -> list[str]:
    """Run a case, as often as it asks; every way in which it was not handled."""
    env = {**os.environ, **{key: place.fill(value) for key, value in case.env.items()}}
    words = tuple(place.fill(word) for word in case.words)
    found = []
    for line in (words, (*words, "--json"))[: 2 if case.also_json else 1]:
        done = run(line, place.project, env, case.stdin)
        found += judge(case, done, place, as_json="--json" in line)
    return found


def judge(case: Hostile, done: Measured, place: Place, *, as_json: bool) -> list[str]:
    """What is wrong with an answer."""
    out, err = (text.decode("utf-8", "surrogateescape") for text in (done.out, done.err))
    found = []
    if done.code != case.code:
        found.append(f"exit code {done.code} instead of {case.code}")
    # On a busy machine the clock says what the others do.
    patience = 3 if os.getloadavg()[0] > (os.cpu_count() or 1) else 1
    if done.seconds > patience * SECONDS or done.cpu > SECONDS:
        found.append(f"{done.seconds:.1f} s, {done.cpu:.1f} s of CPU, more than {SECONDS}")
    if done.megabytes > MEGABYTES:
        found.append(f"{done.megabytes:.0f} MB, more than {MEGABYTES}")
    if done.left:
        found.append("a process was left running")
    said = out + err
    if as_json:
        problems, envelope = _envelope(out, case)
        found += problems
        said = envelope + err
    found += [f"no {text!r} in it" for text in map(place.fill, case.says) if text not in said]
    found += [f"{text!r} in it" for text in map(place.fill, case.never) if text in out + err]
    found += [f"{text!r} in it" for text in _CRASHED if text in out + err]
    found += [f"control character {one!r} in it" for one in sorted(set(_CONTROL.findall(said)))]
    if any("\ud800" <= one <= "\udfff" for one in out + err):
        found.append("not UTF-8")
    return [f"{wrong}\n  stdout: {out[-3000:]!a}\n  stderr: {err[-3000:]!a}" for wrong in found]


def _envelope(out: str, case: Hostile) -> tuple[list[str], str]:
    """What is wrong with the one JSON object, and the text of its problems (of its data, if it has none)."""
    try:
        told: dict[str, Any] = json.loads(out)
    except ValueError as error:
        return [f"stdout is no JSON: {error}"], out
    found = []
    if list(told) != ["version", "command", "ok", "data", "problems"]:
        found.append(f"the envelope has the keys {list(told)}")
    if told.get("ok") is not (case.code == 0):
        found.append(f"ok is {told.get('ok')}")
    problems = told.get("problems") or []
    if case.code and not problems:
        found.append("a failure without a problem")
    # Escaped in the JSON, but what reads it prints them.
    texts = [str(problem[key]) for problem in problems for key in ("where", "what", "hint")]
    return found, "\n".join(texts) if texts else out
