"""A pytest plugin: where CI is set, a skip is a failure unless its reason is one of these two.

A test that is skipped on a machine that nobody looks at is a test that is not there.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

NO_GPU = "no GPU"
NO_REFERENCE = "../shared is not there"
ALLOWED = (NO_GPU, NO_REFERENCE)


def is_wrong(reason: str, ci: str | None) -> bool:
    """Whether a skip for that reason is a failure where the variable CI has that value.

    >>> is_wrong("Skipped: no GPU", "true"), is_wrong("flaky", "true"), is_wrong("flaky", None)
    (False, True, False)
    """
    if (ci or "").lower() in ("", "0", "false"):
        return False
    return reason.removeprefix("Skipped: ") not in ALLOWED


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    # An expected failure is reported as a skip too, and is no skip.
    if report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    told = report.longrepr
    reason = str(told[2]) if isinstance(told, tuple) else str(told)
    if is_wrong(reason, os.environ.get("CI")):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, which is a failure: {reason} (allowed: {', '.join(ALLOWED)})"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse(report)
    return report
