"""The task `prove_tokenizer`: headers in, a proof's file out."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import MissingError, StageFailed
from orchestrator.execute.environments import registry
from orchestrator.execute.host import machine
from orchestrator.execute.models.fix_tokenizer import write_corrected_copy
from orchestrator.execute.processes.child_environment import PROBES
from orchestrator.execute.proving.offline_proofs import prove_tokenizer
from orchestrator.execute.runner.task import typed
from tests.proofs.byte_tokenizer import PUBLISHED_CLASS, make_byte_tokenizer
from tests.proofs.test_tokenizer import header

SETTINGS = {"training_ids": "training.jsonl", "serving_ids": "serving.jsonl", "out": "proofs/tokenizer.json"}


def write(folder: Path, *, lost: str) -> None:
    """The two probes' files, of which the header alone is read."""
    for name, found in (("training", header(lost=lost)), ("serving", header())):
        (folder / f"{name}.jsonl").write_text(json.dumps(found) + "\nno JSON here", encoding="utf-8")


@pytest.mark.parametrize(("lost", "accept", "code"), [("", False, 0), (" ", False, 5), (" ", True, 0)])
def test_the_proof_is_written_and_decides(tmp_path: Path, lost: str, accept: bool, code: int) -> None:  # noqa: FBT001
    write(tmp_path, lost=lost)
    assert prove_tokenizer(typed(prove_tokenizer, {**SETTINGS, "accept_mismatch": accept}), tmp_path) == code
    proof = json.loads((tmp_path / SETTINGS["out"]).read_text(encoding="utf-8"))
    assert (proof["name"], proof["holds"], proof["accepted"]) == ("tokenizer", not lost, accept)


def test_a_probe_that_left_nothing_or_no_texts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        prove_tokenizer(typed(prove_tokenizer, SETTINGS), tmp_path)
    write(tmp_path, lost="")
    (tmp_path / "serving.jsonl").write_text('{"tokenizer": "X"}\n', encoding="utf-8")
    with pytest.raises(StageFailed):
        prove_tokenizer(typed(prove_tokenizer, SETTINGS), tmp_path)


HEADERS = """
import json, sys
sys.path.insert(0, sys.argv[1])
from tokens import fixed_texts, versions
from transformers import AutoTokenizer
for folder in sys.argv[3:]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    header = {
        "versions": versions("transformers"), "tokenizer": type(tokenizer).__name__,
        "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
        "texts": fixed_texts(tokenizer),
    }
    with open(f"{folder}/{sys.argv[2]}", "w", encoding="utf-8") as out:
        out.write(json.dumps(header))
"""
# Layout → what the pinned environments make of it: transformers 5.5.4 in train, 5.19.0 in serve.
LAYOUTS: dict[tuple[str, str | None], tuple[str, ...]] = {
    (PUBLISHED_CLASS, "qwen2"): (),  # wrong in 5.6.0 to 5.7.0
    (PUBLISHED_CLASS, "llama"): ("train", "serve"),
    (PUBLISHED_CLASS, None): ("train", "serve"),
    (PUBLISHED_CLASS, "gpt2"): ("serve",),
}


@pytest.mark.real
def test_what_the_pinned_environments_misread_is_caught_and_the_corrected_copy_holds(tmp_path: Path) -> None:
    folders = {}
    for number, layout in enumerate(LAYOUTS):
        folders[layout] = make_byte_tokenizer(tmp_path / f"{number}", *layout)
        write_corrected_copy(folders[layout], tmp_path / f"{number}-corrected")
    named = sorted(str(path) for path in tmp_path.iterdir())
    for side, name in (("train", "training.jsonl"), ("serve", "serving.jsonl")):
        python = registry.require(side, machine.hardware()) / "bin" / "python"
        argv = [str(python), "-c", HEADERS, str(PROBES), name, *named]
        subprocess.run(argv, check=True, capture_output=True, timeout=300)
    for layout, misread in LAYOUTS.items():
        folder = folders[layout]
        code = prove_tokenizer(typed(prove_tokenizer, SETTINGS), folder)
        proof = json.loads((folder / SETTINGS["out"]).read_text(encoding="utf-8"))
        assert code == (5 if misread else 0), (layout, proof)
        sides = {"train": "misread_in_training", "serve": "misread_in_serving"}
        wrong = {side for side, key in sides.items() if proof["numbers"][key]}
        assert wrong == set(misread), layout
        assert (
            prove_tokenizer(typed(prove_tokenizer, SETTINGS), folder.with_name(f"{folder.name}-corrected"))
            == 0
        ), layout
