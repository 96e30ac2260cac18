"""Each small, broken or odd file of the corpus gets the verdict of its table, and never a traceback."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.datasets.formats import FORMATS
from tests.datasets.corpus_world import CORPUS, Entry, entries, judged

# Mistakes of which no single file is the place: two files (4), a dataset_info.json (18, 28 to 32, 71, 73:
# dialects/test_dataset_info.py), the model and its template (51, 52, 55), a look at all rows (3, 69:
# statistics and near.py), a converter's own (76), and LLaMA-Factory's cache (77).
ELSEWHERE = {3, 4, 18, 28, 29, 30, 31, 32, 51, 52, 55, 69, 71, 73, 76, 77}


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_the_verdict_is_the_tables(entry: Entry) -> None:
    assert judged(entry) == entry.verdict


def test_the_corpus_is_whole() -> None:
    table = entries()
    named = {Path(entry.file).parts[0] for entry in table}
    assert named == {path.name for path in CORPUS.iterdir()}
    assert len(table) >= 120


def test_every_format_and_every_mistake_that_a_file_can_hold_is_there() -> None:
    table = entries()
    assert {entry.verdict.get("format") for entry in table} >= set(FORMATS)
    numbers = {int(found[1]) for entry in table if (found := re.match(r"(\d\d)_", entry.file))}
    numbers |= {int(number) for entry in table for number in re.findall(r"\((\d\d)\)", entry.why)}
    assert set(range(1, 78)) - numbers == ELSEWHERE


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_the_command_says_so_in_words(entry: Entry, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"--column={part}={column}" for part, column in entry.columns.items()]
    options = {"items": "--items", "sheet": "--sheet", "split": "--part"}
    words += [
        word for key, value in entry.reading.items() if key in options for word in (options[key], value)
    ]
    before = _state(CORPUS / entry.file)
    code = main.run(["data", "audit", str(CORPUS / entry.file), *words, "--json"])
    said = json.loads(capsys.readouterr().out)
    assert code in (0, 2, 3)
    assert (
        bool(code) == bool("refused" in entry.verdict or "faults" in entry.verdict)
        or "fix_json" in entry.reading
    )
    if code:
        assert said["problems"]
        assert all(problem["what"] for problem in said["problems"])
        assert entry.file.split("/")[0] in said["problems"][0]["where"]
    assert _state(CORPUS / entry.file) == before


def _state(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {str(file): file.read_bytes() for file in files}
