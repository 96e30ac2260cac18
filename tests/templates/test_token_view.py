"""Every token of a row is told apart: what it says, whether it is trained, lost, of a thought, or an end."""

from __future__ import annotations

from typing import Any

from orchestrator.templates.token_view import Token, texts_of, tokens_of

PIECES = dict(enumerate(["<｜User｜>", "ä½ł", "<think>", "æĥ", "³", "</think>", "å¥½", "<eos>", "Ċ"]))
USER, YOU, OPEN, THINK_1, THINK_2, CLOSE, GOOD, EOS, LINE = range(9)


def pair(source: list[int], target: list[int], kept: tuple[int, int], *, trained: bool = True) -> Any:
    return {"source": source, "target": target, "kept": list(kept), "trained": trained}


def told(*pairs: Any, tail: tuple[int, ...] = ()) -> list[Token]:
    return tokens_of({"pairs": pairs, "tail": list(tail)}, PIECES, [EOS])


def test_question_thought_answer_and_end_are_told_apart() -> None:
    answer = [OPEN, THINK_1, THINK_2, CLOSE, GOOD, EOS]
    tokens = told(pair([USER, YOU], answer, (2, 6)))
    assert "".join(token.text for token in tokens[:3]) == "<｜User｜>你<think>"
    assert [token.answer for token in tokens] == [False] * 2 + [True] * 6
    assert [token.trained for token in tokens] == [False] * 2 + [True] * 6
    assert [token.thinking for token in tokens] == [False, False, True, True, True, True, False, False]
    assert [token.stop for token in tokens] == [False] * 7 + [True]
    assert all(token.kept for token in tokens)


def test_a_character_of_two_tokens_is_shown_on_both() -> None:
    tokens = told(pair([USER], [THINK_1, THINK_2, GOOD], (1, 3)))
    assert [(token.text, token.part) for token in tokens[1:]] == [("想", "1/2"), ("想", "2/2"), ("好", "")]
    assert tokens[1].to_json()["part"] == "1/2"


def test_bytes_that_never_become_a_character_do_not_swallow_what_follows() -> None:
    assert texts_of([THINK_1, GOOD, THINK_1], PIECES) == [("�", ""), ("好", ""), ("�", "")]


def test_what_the_cutoff_takes_is_neither_kept_nor_trained() -> None:
    tokens = told(pair([USER, YOU], [GOOD, EOS], (2, 1)), pair([USER, YOU], [GOOD, EOS], (0, 0)))
    assert [token.kept for token in tokens] == [True] * 3 + [False] * 5
    assert [token.trained for token in tokens] == [False, False, True] + [False] * 5


def test_masked_history_is_an_answer_that_is_not_trained() -> None:
    tokens = told(pair([USER], [GOOD], (1, 1), trained=False), pair([USER], [GOOD], (1, 1)))
    assert [token.answer for token in tokens] == [False, True, False, True]
    assert [token.trained for token in tokens] == [False, False, False, True]


def test_an_end_behind_everything_is_trained() -> None:
    last = told(pair([USER], [GOOD], (1, 1)), tail=(EOS,))[-1]
    assert (last.stop, last.trained, last.kept) == (True, True, True)


def test_a_thought_that_never_closes_goes_to_its_answers_end_and_no_further() -> None:
    tokens = told(pair([USER], [OPEN, GOOD], (1, 2)), pair([USER], [GOOD], (1, 1)))
    assert [token.thinking for token in tokens] == [False, True, True, False, False]


def test_a_thought_that_the_prompt_opened_is_one_too() -> None:
    tokens = told(pair([USER, OPEN], [GOOD, CLOSE, GOOD], (2, 3)))
    assert [token.thinking for token in tokens] == [False, False, True, True, False]


def test_other_spellings_of_spaces_and_bytes_are_read() -> None:
    pieces = {0: "▁海", 1: "<0xE6>", 2: "<0xB5>", 3: "<0xB7>", 4: "▁"}
    said = [" 海", "海", "海", "海", " "]
    assert [text for text, _ in texts_of([0, 1, 2, 3, 4], pieces)] == said
