"""Every proof that a test of this folder makes has no English sentence in its Chinese."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pytest

from orchestrator.results import Proof, in_chinese

MODULES = ("hashes", "loss", "merge", "rows", "served", "stop", "tokenizer", "truncation")
# What is not a sentence of ours: code, quoted text, commands, paths, settings, and a server's own error.
NOT_WORDS = re.compile(
    r"`[^`]*`|'[^']*'|\"[^\"]*\"|\bconch [\w-]+( \S+)?|\S*[/_.:=]\S*|the server refuses it"
)
SENTENCE = re.compile(r"[a-z]{2,}(?: [a-z]+){2,}")


def english_in(text: object) -> str:
    """The first English sentence in the Chinese of a text; "" without one."""
    found = SENTENCE.search(NOT_WORDS.sub("·", in_chinese(text))) if isinstance(text, str) else None
    return found[0] if found else ""


@pytest.fixture(autouse=True)
def both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    def checked(**values: Any) -> Proof:
        proof = Proof(**values)
        texts = [proof.covered, proof.detail, proof.hint, proof.not_covered]
        texts += [finding.get(key, "") for finding in proof.findings for key in ("what", "hint")]
        for text in texts:
            assert not english_in(text), (text, in_chinese(str(text)))
        return proof

    for name in MODULES:
        monkeypatch.setattr(import_module(f"orchestrator.proofs.{name}"), "Proof", checked)
