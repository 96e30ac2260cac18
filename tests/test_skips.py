"""In CI a skip without a good reason is a failure (tests/skips.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SUITE = """
import pytest

def test_on_a_gpu():
    pytest.skip("no GPU")

@pytest.mark.skip(reason="../shared is not there")
def test_with_the_reference():
    pass

@pytest.mark.xfail(reason="known", strict=True)
def test_expected_failure():
    assert False
"""
LAZY = """
@pytest.mark.skip(reason="takes long")
def test_lazy():
    pass
"""
WHOLE_MODULE = """
import pytest
pytest.skip("not today", allow_module_level=True)
"""


def _run(folder: Path, suite: str, *, ci: str | None) -> subprocess.CompletedProcess[str]:
    (folder / "test_suite.py").write_text(suite, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTEST_ADDOPTS")}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "tests.skips",
            "-p",
            "no:cacheprovider",
            "-c",
            os.devnull,
            str(folder),
        ],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT)} | ({"CI": ci} if ci is not None else {}),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_good_reasons_stay_skips_in_ci(tmp_path: Path) -> None:
    done = _run(tmp_path, SUITE, ci="true")
    assert done.returncode == 0, done.stdout
    assert "2 skipped, 1 xfailed" in done.stdout


def test_any_other_skip_fails_in_ci(tmp_path: Path) -> None:
    done = _run(tmp_path, SUITE + LAZY, ci="true")
    assert done.returncode == 1
    assert "skipped in CI, which is a failure: Skipped: takes long" in done.stdout
    assert "2 skipped, 1 xfailed, 1 error" in done.stdout


def test_a_skipped_module_fails_in_ci(tmp_path: Path) -> None:
    done = _run(tmp_path, WHOLE_MODULE, ci="1")
    assert done.returncode != 0
    assert "skipped in CI, which is a failure: Skipped: not today" in done.stdout


@pytest.mark.parametrize("ci", [None, "", "false", "0"])
def test_elsewhere_a_skip_is_a_skip(tmp_path: Path, ci: str | None) -> None:
    done = _run(tmp_path, SUITE + LAZY, ci=ci)
    assert done.returncode == 0, done.stdout
    assert "3 skipped" in done.stdout
