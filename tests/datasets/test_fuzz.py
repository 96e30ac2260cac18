"""Whatever a file holds, the commands end in words, and what they wrote is whole.

The short form is the same in every run; the long one (`make soak`) takes other files each time.
"""

from __future__ import annotations

import io
import json
import random
import tempfile
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from orchestrator.cli import main
from tests.datasets.fuzz_world import ALSO, FORMS, Strange, broken_files, strange_rows, strange_tables

# 0 done, 2 the data is wrong, 3 something is missing (an empty file). 1 would be a bug.
WORDS = (0, 2, 3)
EVERY = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
ALIKE = settings(derandomize=True, database=None, deadline=None, suppress_health_check=EVERY)
SOAK_SECONDS = 100


@st.composite
def wishes(draw: st.DrawFn) -> list[str]:
    """Options of `conch data convert`."""
    words = [f"--to={draw(st.sampled_from(FORMS))}"]
    if draw(st.integers(0, 3)):
        also = draw(st.sets(st.sampled_from(ALSO)))
        words += ["--fix", *(f"--also={name}" for name in sorted(also))]
    return [*words, "--drop-bad"] if draw(st.integers(0, 3)) else words


def said(*words: str) -> tuple[int, dict[str, Any]]:
    """The exit code of a command, and what it says with --json."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main.run([*words, "--json"])
    assert code in WORDS, out.getvalue() + err.getvalue()
    told = json.loads(out.getvalue())
    assert told["ok"] == (code == 0)
    assert bool(told["problems"]) == (code != 0), told
    assert all(problem["what"] for problem in told["problems"])
    return code, told


def state(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }


def judge(strange: Strange, wish: list[str]) -> None:
    """Audit and convert a file, and hold both to their promises."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "in").mkdir()
        strange.write(folder / "in")
        before, source = state(folder), str(folder / "in" / strange.source)
        audited, found = said("data", "audit", source, *strange.words)
        assert state(folder) == before
        suffix = ".parquet" if "--to=parquet" in wish else ".jsonl"
        out = folder / f"out{suffix}"
        code, made = said("data", "convert", source, *strange.words, *wish, "--out", str(out))
        after = state(folder)
        assert {name: data for name, data in after.items() if name.startswith("in/")} == before
        left = {name for name in after if not name.startswith("in/")}
        if code:
            assert not left
            return
        assert "--drop-bad" in wish or "--fix" in wish or not audited, found
        keep_the_books(made["data"], after.get(f"{out.name}.dropped.jsonl"))
        assert left == {out.name} | ({f"{out.name}.dropped.jsonl"} if made["data"]["rejects"] else set())
        read_again(out, made["data"], wish)


def keep_the_books(data: dict[str, Any], ledger: bytes | None) -> None:
    """Every row that was read is kept, in the ledger, or was there before."""
    dropped = len(ledger.splitlines()) if ledger else 0
    repeated = data["repairs"].get("duplicate rows", {}).get("rows", 0)
    assert data["rows_in"] == data["rows_kept"] + dropped + repeated


def read_again(out: Path, data: dict[str, Any], wish: list[str]) -> None:
    """What was written has no fault, and every row that was kept; once repaired, it stays as it is."""
    code, found = said("data", "audit", str(out))
    assert code == 0, found
    assert found["data"]["rows_in"] == found["data"]["rows_kept"] == data["rows_kept"]
    if "--fix" not in wish:
        return
    again = out.with_name(f"again{out.suffix}")
    code, once_more = said("data", "convert", str(out), wish[0], "--fix", "--out", str(again))
    assert code == 0, once_more
    assert once_more["data"]["sha256_out"] == data["sha256_out"], once_more


@settings(ALIKE, max_examples=75)
@given(broken_files(), wishes())
def test_a_file_with_broken_bytes_ends_in_words(strange: Strange, wish: list[str]) -> None:
    judge(strange, wish)


@settings(ALIKE, max_examples=75)
@given(strange_rows(), wishes())
def test_rows_with_any_values_end_in_words(strange: Strange, wish: list[str]) -> None:
    judge(strange, wish)


@settings(ALIKE, max_examples=60)
@given(strange_tables(), wishes())
def test_a_table_of_any_text_ends_in_words(strange: Strange, wish: list[str]) -> None:
    judge(strange, wish)


@pytest.mark.soak
@pytest.mark.parametrize(
    "files", [broken_files(), strange_rows(), strange_tables()], ids=["bytes", "rows", "tables"]
)
def test_other_files_end_in_words_too(files: st.SearchStrategy[Strange]) -> None:
    """As long as it is told, with other files each time; the figures for docs/soak.md are printed."""
    long = settings(ALIKE, derandomize=False, max_examples=500, print_blob=True)
    until, judged = time.monotonic() + SOAK_SECONDS, 0

    def counted(strange: Strange, wish: list[str]) -> None:
        nonlocal judged
        judged += 1
        judge(strange, wish)

    while time.monotonic() < until:
        seed(random.SystemRandom().getrandbits(64))(long(given(files, wishes())(counted)))()
    print(f"{judged} files judged")  # noqa: T201  the figure for docs/soak.md; `pytest -s` shows it
