"""The engines' own Pythons, the probes as modules, and the reference data beside the clone."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from orchestrator.execute.environments import registry
from orchestrator.execute.host import machine
from tests.probes.run_folder import PROBES, SHARED


def _python(name: str) -> Path:
    chosen = os.environ.get(f"CONCH_TEST_{name.upper()}_PYTHON")
    return Path(chosen) if chosen else registry.require(name, machine.hardware()) / "bin" / "python"


@pytest.fixture(scope="session")
def train_python() -> Path:
    """The train environment's Python; CONCH_TEST_TRAIN_PYTHON names another."""
    return _python("train")


@pytest.fixture(scope="session")
def serve_python() -> Path:
    """The serve environment's Python; CONCH_TEST_SERVE_PYTHON names another."""
    return _python("serve")


@pytest.fixture(scope="session")
def reference() -> Path:
    """The genuine R1 tokenizer and the official templates, where they lie beside the clone."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not there")
    return SHARED


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """A probe as a module: only what needs no engine may be called."""
    monkeypatch.syspath_prepend(str(PROBES / "engines"))
    monkeypatch.syspath_prepend(str(PROBES))
    names = ["tokens", "training_ids", "serving_ids", "train_settings", "spellings", "quick_render"]
    names += ["weights", "trainer_loss", "answer_ids", "model_values", "answer_rewards", "start_ppo"]
    names += ["merge_check", "merge_rows", "lora", "frozen"]
    yield import_module
    for name in names:
        sys.modules.pop(name, None)
