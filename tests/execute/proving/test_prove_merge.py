"""The task around the merge proof: its file, its exit code, and facts that are not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.errors import MissingError
from orchestrator.execute.proving.offline_proofs import prove_merge
from orchestrator.execute.runner.task import typed
from tests.proofs.test_merge import facts, module

SETTINGS = {"facts": "facts.json", "out": "proofs/export/merge.json"}


def lay_out(folder: Path, found: object) -> None:
    (folder / "proofs" / "export").mkdir(parents=True, exist_ok=True)
    (folder / "facts.json").write_text(json.dumps(found), encoding="utf-8")


def test_a_no_is_5_unless_it_was_accepted(tmp_path: Path) -> None:
    lay_out(tmp_path, facts())
    assert prove_merge(typed(prove_merge, SETTINGS), tmp_path) == 0
    lay_out(tmp_path, facts(module("q", "base")))
    assert prove_merge(typed(prove_merge, SETTINGS), tmp_path) == 5
    written = json.loads((tmp_path / SETTINGS["out"]).read_text(encoding="utf-8"))
    assert (written["name"], written["holds"], written["accepted"]) == ("merge", False, False)
    assert prove_merge(typed(prove_merge, SETTINGS | {"accept_mismatch": True}), tmp_path) == 0


def test_facts_that_are_not_there_are_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="left no facts"):
        prove_merge(typed(prove_merge, SETTINGS), tmp_path)
