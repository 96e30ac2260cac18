"""What engines say when they die: known causes, the first error of an unknown one, nothing unsafe."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.backends import vllm
from orchestrator.backends.symptoms import (
    SYMPTOMS,
    explain,
    first_error,
    lacks,
    last_lines,
    latest_phase,
    visible,
)
from orchestrator.outside import HIDDEN

VLLM = """\
(APIServer pid=1) INFO 11-23 [utils.py:233] non-default args: {}
(EngineCore pid=2) ERROR 11-23 [core.py:9] EngineCore failed to start.
(EngineCore pid=2) ERROR 11-23 [core.py:9] Traceback (most recent call last):
(EngineCore pid=2) ERROR 11-23 [core.py:9]   File "core.py", line 1, in run
(EngineCore pid=2) ERROR 11-23 [core.py:9]     engine = EngineCore()
(EngineCore pid=2) ERROR 11-23 [core.py:9] ValueError: the template is for another model
(APIServer pid=1) Traceback (most recent call last):
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.
"""


@pytest.mark.parametrize("symptom", SYMPTOMS, ids=lambda one: one.what[:20])
def test_every_symptom_has_a_pattern_a_sentence_and_a_fix(symptom: object) -> None:
    assert isinstance(symptom, type(SYMPTOMS[0]))
    groups = {**dict.fromkeys(re.compile(symptom.pattern).groupindex, "x"), "fits": "0.5"}
    assert symptom.what.format(**groups)
    assert symptom.hint.format(**groups)


@pytest.mark.parametrize(
    ("text", "what", "missing"),
    [
        ("vllm serve: error: unrecognized arguments: --no-such", "unrecognized arguments: --no-such", False),
        ("ValueError: Some keys are not used by the HfArgumentParser: ['lora_rnak']", "['lora_rnak']", False),
        ("ImportError: libnuma.so.1: cannot open shared object file", "libnuma", True),
        ("OSError: [Errno 98] Address already in use", "port is in use", True),
        ("No available memory for the cache blocks.", "KV cache", True),
        ("torch.OutOfMemoryError: CUDA out of memory", "GPU is out of memory", False),
    ],
)
def test_known_causes(text: str, what: str, missing: bool) -> None:  # noqa: FBT001  a table's column
    assert what in explain("noise\n" + text + "\nnoise", 1).what
    assert lacks(text) is missing


def test_the_root_cause_is_shown_and_not_its_echo() -> None:
    shown = explain(VLLM, 1).what
    assert "the template is for another model" in shown
    assert "See root cause above" not in shown


def test_without_any_error_the_last_lines_are_shown() -> None:
    text = "\n".join(f"line {number}" for number in range(100))
    assert first_error(text)[-1] == "line 99"
    assert last_lines(text, 2) == "line 98\nline 99"
    assert "ended with exit code 3" in explain(text, 3).what


def test_a_signal_is_named_and_an_unknown_number_is_not_invented() -> None:
    assert "signal 11, SIGSEGV" in explain("", 139).what
    assert "exit code 255" in explain("", 255).what


def test_a_progress_bar_shows_its_last_state() -> None:
    assert visible("  1%\r 50%\r100% done\r\n") == "100% done"


@given(st.text())
def test_fault_098_nothing_unprintable_reaches_a_terminal(text: str) -> None:
    """Fault 98. Characters that this Python does not know, such as a new emoji, are shown."""
    assert all(one in "\t\n" or unicodedata.category(one) not in HIDDEN for one in explain(text, 1).what)


def test_the_phases_are_told_in_the_order_of_the_log() -> None:
    assert (
        latest_phase("Starting to load model x\nLoading weights took 1 s\n", vllm.phases)
        == "setting up the KV cache"
    )
    assert latest_phase("nothing known", vllm.phases) == ""
