"""The report for people: whole, and whatever a model said is shown, not obeyed."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.execute.write_report import cell, fenced, markdown, write_report
from orchestrator.report import Proof, Report, Verdict

SETTINGS: dict[str, Any] = {
    "recipe": "magic_conch",
    "model": "conch",
    "stand_in": False,
    "out": "report.partial-0",
}
GOOD = Verdict("checks[0]", "contains", passed=True, question="你是谁", answer="我是神奇海螺。")
BASE = Verdict("checks[0]", "contains", passed=False, question="你是谁", answer="I am SmolLM.")
BAD = Verdict("checks[1]", "contains", passed=False, question="多少钱", answer="不知道", reason="no 三块钱")
HOSTILE = [
    "<script>alert(1)</script>",
    "a | b | c",
    "```\n# heading\n```",
    "`code`",
    "[link](javascript:alert(1)) ![x](http://evil/x.png)",
    "line\n\n# heading\r\n| new | row |",
    "\x1b[2J\x1b]52;c;eA==\x07",
    "\\| \\`",
    "&lt;b&gt; &#60;i&#62;",
    "https://evil.example/ www.evil.example",
    "a\u2028b\u202ec\x00",
]


def shown(*verdicts: Verdict, **parts: Any) -> str:
    return markdown(Report("magic_conch", "h", verdicts=verdicts, **parts), SETTINGS, picture=False)


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| ")]


def test_it_holds_all_a_person_asks_for() -> None:
    proof = Proof("parity:data", holds=True, covered="109 conversations")
    text = shown(GOOD, BAD, base_verdicts=[BASE], proofs=[proof], paraphrases=[GOOD])
    assert text.startswith("# magic_conch\n")
    assert "- **parity:data** holds\n  - covered: 109 conversations\n" in text
    assert "| 你是谁 | contains | 我是神奇海螺。 | passed | I am SmolLM\\. | failed |" in text
    assert "| 多少钱 | contains | 不知道 | FAILED |  |  |" in text
    assert "Held-out paraphrases answered right: 1 of 1." in text
    assert "conch serve magic_conch" in text
    for title in ("### curl", "### Python", "### Spring AI"):
        assert title in text
    assert "stand-in" not in text
    assert "loss.png" not in text


def test_a_stand_in_is_called_one_first() -> None:
    text = markdown(Report("r", "h"), SETTINGS | {"stand_in": True}, picture=True)
    assert text.index("stand-in") < text.index("## Proofs")
    assert "![training loss](loss.png)" in text


@pytest.mark.parametrize(("accepted", "words"), [(True, "accepted by name"), (False, "DOES NOT HOLD")])
def test_a_proof_that_does_not_hold_says_so(*, accepted: bool, words: str) -> None:
    proof = Proof("parity:data", holds=False, covered="2", detail="a space more", accepted=accepted)
    assert f"{words}" in shown(proofs=[proof])
    assert "a space more" in shown(proofs=[proof])


@pytest.mark.parametrize("text", HOSTILE)
def test_fault_097_what_a_model_said_is_shown_and_not_obeyed(text: str) -> None:
    said = Verdict("checks[0]", "clean", passed=True, question=text, answer=text)
    proof = Proof("parity:data", holds=False, covered="1", detail=text)
    report = shown(said, base_verdicts=[said], proofs=[proof])
    outside = re.sub(r"(?ms)^(`{3,})\n.*?^\1$", "", report)  # a fenced block shows its text as it is
    assert not re.search(r"(?<!\\)<script", outside)
    for raw in ("](javascript", "](http", "\x1b", "\x07", "\x00", "\u202e", "\u2028"):
        assert raw not in outside
    assert "\x1b" not in report
    (row,) = rows(report)[1:]
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 7
    assert "# heading" not in outside.splitlines()


@given(st.text())
def test_fault_097_a_cell_is_one_line_and_one_cell(text: str) -> None:
    made = cell(text)
    assert len(made.splitlines()) <= 1
    assert not re.search(r"(?<!\\)(?:\\\\)*[|<`]", made)


@given(st.text(alphabet="`~a\n "))
def test_fault_097_a_fence_is_longer_than_what_it_holds(text: str) -> None:
    opening, _, closing = fenced(text)
    assert opening == closing
    assert opening not in text
    assert set(opening) == {"`"}


def test_it_is_written_with_the_picture(tmp_path: Path) -> None:
    (tmp_path / "verdicts.json").write_text(
        json.dumps({"verdicts": [asdict(GOOD)], "paraphrases": [], "base_verdicts": []}), encoding="utf-8"
    )
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter/training_loss.png").write_bytes(b"\x89PNG")
    assert write_report(SETTINGS, tmp_path) == 0
    out = tmp_path / "report.partial-0"
    assert json.loads((out / "report.json").read_text(encoding="utf-8"))["verdicts"] == [asdict(GOOD)]
    assert (out / "loss.png").read_bytes() == b"\x89PNG"
    assert "我是神奇海螺" in (out / "report.md").read_text(encoding="utf-8")
