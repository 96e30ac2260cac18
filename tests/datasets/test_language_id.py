"""Languages by characters: the two scripts of Chinese, English, and what is neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.datasets.language_id import SIMPLIFIED, TRADITIONAL, language_of, scripts_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("头疼怎么办？请问要去医院吗", "Chinese, simplified"),
        ("頭疼怎麼辦？請問要去醫院嗎", "Chinese, traditional"),
        ("头疼怎么办？頭疼怎麼辦？", "Chinese, both scripts"),
        ("你好，早上好", "Chinese, either script"),
        ("用 Python 写一个 hello world 的程序", "Chinese, simplified"),
        ("Who are you and what do you want?", "English"),
        ("Guten Morgen Herr Müller", "Latin letters, no English words"),
        ("今日はとても寒いですね", "Japanese"),
        ("안녕하세요 반갑습니다", "Korean"),
        ("Привет, как дела?", "other"),
        ("123 ？！ 🦀", "none"),
        ("", "none"),
    ],
)
def test_languages(text: str, language: str) -> None:
    assert language_of(text) == language


def test_the_two_scripts_share_no_character() -> None:
    assert not SIMPLIFIED & TRADITIONAL
    assert len(SIMPLIFIED) > 100
    assert len(TRADITIONAL) > 100


def test_characters_are_counted_by_script() -> None:
    assert scripts_of("你好 ab 12，カ") == {"Chinese": 2, "Latin": 2, "digits": 2, "kana": 1}


@given(st.text())
def test_every_text_has_one(text: str) -> None:
    assert language_of(text)
