"""Nothing of a token is invisible."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.html.spelling import spelled


def test_spaces_ends_and_hidden_characters_have_a_sign() -> None:
    assert spelled("a b\t海\n\r\u3000\u200b\xa0\x1b\ufeff") == "a␣b⇥海↵\n␍□\\u200b\\xa0\\x1b\\ufeff"


@given(st.text())
def test_whatever_comes_can_be_seen(text: str) -> None:
    shown = spelled(text)
    assert shown.replace("\n", "").isprintable()
    assert len(shown) >= len(text)
