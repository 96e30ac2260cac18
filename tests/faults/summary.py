"""`make faults`: which of the numbered cases passed, and for how many the fault bites without its guard.

The tests of a case stand with what they test; their names tell the number: test_fault_NNN_…
"""

from __future__ import annotations

import re

import pytest

from tests.faults.cases import CASES

_NAME = re.compile(r"test_fault_(\d{3})_(control)?")
_OUTCOMES: dict[str, set[str]] = {}
_HOSTILE: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how each test of a case ended; a failure in its set-up or its clean-up is one of the test."""
    if report.when == "call" or report.outcome != "passed":
        name = report.nodeid.rpartition("::")[2]
        if _NAME.match(name):
            _OUTCOMES.setdefault(name.partition("[")[0], set()).add(report.outcome)
        if name.startswith("test_fault_174_") and _HOSTILE.get(name, "passed") == "passed":
            _HOSTILE[name] = report.outcome


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line of numbers, and the reason of every case that was not seen to pass."""
    if "test_fault" not in config.option.keyword:
        return
    outcomes: dict[int, set[str]] = {}
    biting = set()
    for name, seen in _OUTCOMES.items():
        found = _NAME.match(name)
        if found and found[2]:
            biting |= {int(found[1])} if seen == {"passed"} else set()
        elif found:
            outcomes.setdefault(int(found[1]), set()).update(seen)
    passed = sorted(number for number, seen in outcomes.items() if seen == {"passed"})
    terminalreporter.write_line("")
    terminalreporter.write_line(
        f"faults: {len(passed)} of {len(CASES)} cases passed; {len(biting)} bite without their guard"
    )
    handled = sum(outcome == "passed" for outcome in _HOSTILE.values())
    terminalreporter.write_line(f"hostile inputs: handled {handled} of {len(_HOSTILE)}")
    for number, case in CASES.items():
        if number not in passed:
            why = case.untested or ", ".join(sorted(outcomes.get(number, {"not run"})))
            terminalreporter.write_line(f"  {number:3}  {case.what}: {why}")
