"""The task `prove_tokenizer`: headers in, a proof's file out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.errors import MissingError, StageFailed
from orchestrator.execute.prove_tokenizer import prove_tokenizer
from tests.proofs.test_tokenizer import header

SETTINGS = {"training_ids": "training.jsonl", "serving_ids": "serving.jsonl", "out": "proofs/tokenizer.json"}


def write(folder: Path, *, lost: str) -> None:
    """The two probes' files, of which the header alone is read."""
    for name, found in (("training", header(lost=lost)), ("serving", header())):
        (folder / f"{name}.jsonl").write_text(json.dumps(found) + "\nno JSON here", encoding="utf-8")


@pytest.mark.parametrize(("lost", "accept", "code"), [("", False, 0), (" ", False, 5), (" ", True, 0)])
def test_the_proof_is_written_and_decides(tmp_path: Path, lost: str, accept: bool, code: int) -> None:  # noqa: FBT001
    write(tmp_path, lost=lost)
    assert prove_tokenizer({**SETTINGS, "accept_mismatch": accept}, tmp_path) == code
    proof = json.loads((tmp_path / SETTINGS["out"]).read_text(encoding="utf-8"))
    assert (proof["name"], proof["holds"], proof["accepted"]) == ("tokenizer", not lost, accept)


def test_a_probe_that_left_nothing_or_no_texts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        prove_tokenizer(SETTINGS, tmp_path)
    write(tmp_path, lost="")
    (tmp_path / "serving.jsonl").write_text('{"tokenizer": "X"}\n', encoding="utf-8")
    with pytest.raises(StageFailed):
        prove_tokenizer(SETTINGS, tmp_path)
