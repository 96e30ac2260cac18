"""A row in the terminal: what is learnt, lost, thought and stopped can be told without colours."""

from __future__ import annotations

import io

import pytest

from orchestrator.cli.text.rows import preview_text, row_text
from orchestrator.execute.data.preview import Preview, PreviewedRow
from orchestrator.templates.token_view import Token

ASKED = (Token(1, "你"), Token(2, " 是"))
LEARNT = (
    Token(3, "<think>", answer=True, trained=True, thinking=True),
    Token(4, "海", answer=True, trained=True, part="1/2"),
    Token(5, "海", answer=True, trained=True, part="2/2"),
    Token(6, "\n", answer=True, trained=True),
    Token(7, "<eos>", answer=True, trained=True, stop=True),
)
LOST = (Token(8, "\x1b[2J", answer=True, kept=False), Token(9, "<eos>", answer=True, kept=False, stop=True))


def shown(*rows: PreviewedRow, notes: tuple[str, ...] = ()) -> Preview:
    return Preview("小 recipe", "deepseekr1", "on", "keep", 7, "embedded", {}, rows, notes)


def test_marks_say_what_colours_say() -> None:
    said = row_text([*ASKED, *LEARNT, *LOST], 7).plain
    assert said == ("你|␣是⟦⟨<think>⟩|海²|↵\n|<eos>■⟧\n✂ 7 tokens: what follows is lost\n~~\\x1b[2J|<eos>■~~")


def test_half_of_a_character_that_the_cutoff_divides_says_which() -> None:
    halves = (
        Token(4, "海", answer=True, trained=True, part="1/2"),
        Token(5, "海", answer=True, kept=False, part="2/2"),
    )
    said = row_text(halves, 1).plain
    assert "⟦海(1/2)⟧" in said
    assert "~~海(2/2)~~" in said


def test_each_state_has_its_colour() -> None:
    styles = {span.style for span in row_text([*ASKED, *LEARNT, *LOST], 7).spans}
    assert {"bright_black", "green", "magenta", "red strike", "green bold reverse"} <= styles


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_no_escapes_and_a_terminal_does(monkeypatch: pytest.MonkeyPatch) -> None:
    preview = shown(PreviewedRow("a.jsonl:1", "a", (*ASKED, *LEARNT, *LOST)), notes=("a.jsonl: 注意",))
    plain = preview_text(preview, io.StringIO())
    assert "\x1b" not in plain
    assert "a.jsonl:1  9 tokens, 5 of them learnt, 2 lost to the cutoff of 7" in plain
    assert "注意" in plain
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[32m" in preview_text(preview, Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in preview_text(preview, Terminal())


def test_a_dropped_row_says_so() -> None:
    said = preview_text(shown(PreviewedRow("a.jsonl:2", "a", (), dropped=True)), io.StringIO())
    assert "a.jsonl:2  LLaMA-Factory drops this row" in said
