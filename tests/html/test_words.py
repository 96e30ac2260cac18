"""Every word is there in both languages, with the same places to fill; and each is used."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

from orchestrator.html import words
from orchestrator.html.words import NAMES, PROOF_WORDS, WORDS, Words
from orchestrator.proofs import PROOFS

PAGES = Path(words.__file__).parent


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_say_the_same() -> None:
    for name, (english, chinese) in WORDS.items():
        assert english, name
        assert chinese, name
        assert places(english) == places(chinese), name
        assert not re.search(r"[\u4e00-\u9fff]", english), name


def test_every_word_is_used() -> None:
    sources = [path for path in PAGES.iterdir() if path.suffix in {".html", ".py"} and path.stem != "words"]
    told = "".join(path.read_text(encoding="utf-8") for path in sources)
    unused = [name for name in WORDS if not re.search(f"['\"]{name}['\"]", told)]
    assert [name for name in unused if not name.endswith("_part") and name not in NAMES] == []


def test_every_proof_has_its_claim() -> None:
    assert set(PROOF_WORDS) == set(PROOFS)
    assert Words("zh").claim("rows") != Words("en").claim("rows") != ""
    assert Words("en").claim("a new one") == ""


def test_they_are_said_with_what_fills_them() -> None:
    assert Words("en").say("counted_of", counted="20", rows="300") == (
        "Lengths and languages are of the first 20 of 300 rows."
    )
    assert Words("zh").say("split_rows", split="测试") == "测试数据"
    assert Words("zh").tongue("English") == "英文"
    assert Words("zh").tongue("Klingon") == "Klingon"
    assert [Words("en").duration(seconds) for seconds in (0.2, 42, 61, 3600)] == [
        "0.2 s",
        "42 s",
        "1 min 1 s",
        "1 h 0 min",
    ]
