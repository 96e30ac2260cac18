"""What is shown holds no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.execute.host.redact import redact, secrets_of
from orchestrator.execute.processes.diagnosis import explain_failure
from tests.small_world import SmallWorld

TOKEN = "hf_" + "Ab3" * 11
KEY = "sk-" + "x" * 40


@pytest.mark.parametrize("text", [f"token {TOKEN}", f"{{'api_key': '{KEY}'}}", f"Bearer {KEY}"])
def test_what_looks_like_a_secret(text: str) -> None:
    assert "***" in redact(text, [])
    assert TOKEN not in redact(text, [])
    assert KEY not in redact(text, [])


def test_what_only_looks_a_little_like_one_stays() -> None:
    for text in ("hf_hub", "sk-short", "海螺 sk-learn", "hf_transfer=1", "the key is 42"):
        assert redact(text, []) == text


def test_the_values_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "CONCH_API_KEY": "correct horse",
        "HF_TOKEN": "海螺海螺海螺海螺",
        "KEYBOARD": "us-intl-long",
        "X_KEY": "short",
    }
    assert secrets_of(given) == ["correct horse", "海螺海螺海螺海螺"]
    monkeypatch.setenv("CONCH_API_KEY", "correct horse")
    assert redact("it is correct horse!") == "it is ***!"


def test_a_failure_and_a_log_show_none(
    small: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.write_text(f"ValueError: bad token {TOKEN}\n", encoding="utf-8")
    assert TOKEN not in str(explain_failure(log, 1))
    small.after("sft", "small")
    with (small.last().path / "logs/train.log").open("a", encoding="utf-8") as file:
        file.write(f"using {TOKEN} and correct-horse\n")
    monkeypatch.setenv("CONCH_API_KEY", "correct-horse")
    said = small.run("logs", "small", "--stage", "train", "-n", "1")
    assert said.out.endswith("using *** and ***\n")
