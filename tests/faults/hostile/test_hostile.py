"""Every hostile input of every table is handled (tests/faults/hostile/__init__.py)."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import replace

import pytest

from tests.faults.hostile import Hostile, Place, nothing, tables
from tests.faults.hostile.runner import Measured, failings, judge, run
from tests.small_world import SmallWorld

TABLES = tables()
EVERY = [
    pytest.param(case, id=f"{surface}-{case.name}") for surface, cases in TABLES.items() for case in cases
]


@pytest.mark.parametrize("case", EVERY)
def test_fault_174_a_hostile_input_is_handled(case: Hostile, small: SmallWorld) -> None:
    with ExitStack() as stack:
        place = Place(small, stack)
        case.make(place)
        wrong = failings(case, place)
    assert not wrong, "\n".join(wrong)
    assert small.processes() == []


@pytest.mark.parametrize("surface", TABLES)
def test_every_case_has_a_name_of_its_own(surface: str) -> None:
    names = Counter(case.name for case in TABLES[surface])
    assert [name for name, times in names.items() if times > 1] == []


CASE = Hostile("x", nothing, ("ls",), 2, ("its words",), ("its secret",))
FINE = Measured(2, 0.1, 0.1, 80.0, left=False, err="its words，海螺\n\t".encode())
NOT_FINE = {
    "exit code 3 instead of 2": replace(FINE, code=3),
    "31.0 s, 0.1 s of CPU": replace(FINE, seconds=31),
    "0.1 s, 10.5 s of CPU": replace(FINE, cpu=10.5),
    "301 MB": replace(FINE, megabytes=301),
    "left running": replace(FINE, left=True),
    "no 'its words'": replace(FINE, err=b""),
    "'its secret' in it": replace(FINE, out=b"its secret"),
    "'Traceback": replace(FINE, out=b"Traceback (most recent call last):"),
    "'a bug in Conch'": replace(FINE, out=b"a bug in Conch"),
    "not UTF-8": replace(FINE, out=b"\xe4"),
    **{
        f"control character {one!r}": replace(FINE, out=one.encode())
        for one in ("\x1b", "\0", "\r", "\x7f", "\x9b", "\u202e", "\u2066")
    },
}


@pytest.mark.parametrize("why", NOT_FINE)
def test_what_is_not_handled_is_seen(why: str, small: SmallWorld) -> None:
    with ExitStack() as stack:
        place = Place(small, stack)
        assert judge(CASE, FINE, place, as_json=False) == []
        (found,) = judge(CASE, NOT_FINE[why], place, as_json=False)
    assert why in found


ENVELOPE = '{"version": 1, "command": "ls", "ok": false, "data": {}, "problems": [%s]}'
PROBLEM = '{"what": "its words%s", "where": "", "hint": ""}'


@pytest.mark.parametrize(
    ("out", "why"),
    [
        (ENVELOPE % (PROBLEM % ""), ""),
        ("its words", "no JSON"),
        (ENVELOPE % "", "without a problem"),
        (ENVELOPE.replace("false", "true") % (PROBLEM % ""), "ok is True"),
        (ENVELOPE.replace("data", "date") % (PROBLEM % ""), "the keys"),
        (ENVELOPE % (PROBLEM % r"\u001b[31m"), "control character"),
    ],
)
def test_an_envelope_that_is_not_as_promised_is_seen(out: str, why: str, small: SmallWorld) -> None:
    with ExitStack() as stack:
        found = judge(CASE, replace(FINE, out=out.encode()), Place(small, stack), as_json=True)
    assert found == [] if not why else why in found[0], found


def test_what_is_measured_is_the_command(small: SmallWorld) -> None:
    done = run(("ls",), small.project, {"PATH": "/usr/bin:/bin"})
    assert done.code == 0, done.err
    assert b"small" in done.out
    assert 0.001 < done.cpu < 10
    assert 20 < done.megabytes < 300
    assert not done.left
