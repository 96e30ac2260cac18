from __future__ import annotations

from orchestrator.templates.pieces import Pieces

# 你 is the bytes e4 bd a0: whole in token 3, in two halves in 4 and 5.
PIECES = Pieces({0: "<｜User｜>", 1: "<think>", 2: "Ċ", 3: "ä½ł", 4: "ä½", 5: "ł", 6: "Ġa"})


def test_bytes_spaces_and_newlines_come_back() -> None:
    assert PIECES.text([0, 1, 2, 3, 6]) == "<｜User｜><think>\n你 a"
    assert PIECES.text([4, 5]) == "你"


def test_half_a_character_shows_as_such() -> None:
    assert PIECES.text([4]) == "�"
    assert PIECES.raw([4]) == b"\xe4\xbd"


def test_an_id_without_a_piece_is_named() -> None:
    assert PIECES.text([99]) == "<99>"


def test_the_place_is_marked() -> None:
    assert PIECES.around([0, 3, 2], 1) == "<｜User｜>⟦你⟧\n"
    assert PIECES.around([0, 3], 2) == "<｜User｜>你⟦⟧"
