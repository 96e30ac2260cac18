"""A page loads nothing, runs nothing, and shows data as text whatever it holds."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from jinja2 import UndefinedError

from orchestrator.html.layout import number, page, share

EVIL = "<img src=x onerror=alert(1)> & \"'</span><script>"
TOKEN = {"id": 7, "text": EVIL, "answer": True, "trained": True, "kept": True, "thinking": False}
ROW = {"where": EVIL, "dataset": "a", "says": EVIL, "effect": "learnt", "dropped": False}
ROW |= {"tokens": 2, "left": 1, "trained": 1}
VALUES: dict[str, Any] = {
    "base": EVIL,
    "template": "deepseekr1",
    "thinking": "on",
    "history": "keep",
    "cutoff_len": 1,
    "versions": {"llamafactory": "0.9.5"},
    "notes": [EVIL],
    "rows": [
        ROW
        | {
            "pieces": [
                TOKEN | {"stop": False, "part": ""},
                TOKEN | {"stop": True, "part": "", "kept": False, "trained": False, "text": "<eos>"},
            ]
        }
    ],
}


class Tags(HTMLParser):
    """Which tags and attributes a page has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_fault_097_what_data_says_is_text() -> None:
    tags = Tags(page("preview", EVIL, VALUES))
    assert not {"script", "img", "link", "iframe", "object", "form"} & set(tags.tags)
    assert not [name for name in tags.attributes if name.startswith("on") or name in {"src", "href"}]
    assert EVIL in tags.text
    assert "<img␣src=x" in tags.text


def test_fault_097_the_page_forbids_itself_to_load_anything() -> None:
    text = page("preview", "行", VALUES)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert policy[1].startswith("default-src 'none'")
    assert "url(" not in text
    assert "@import" not in text
    assert text.startswith("<!doctype html>")
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_the_states_of_a_token_can_be_told() -> None:
    text = page("preview", "行", VALUES)
    assert 'class="t trained"' in text
    assert 'class="t lost stop"' in text
    assert "1 tokens: what follows is lost" in text


def test_a_dropped_row_says_so() -> None:
    dropped = {**ROW, "dropped": True, "pieces": [], "tokens": 0, "left": 0, "trained": 0}
    assert "drops this row" in page("preview", "行", VALUES | {"rows": [dropped]})


def test_a_value_that_is_not_there_is_a_mistake() -> None:
    with pytest.raises(UndefinedError):
        page("preview", "行", {"rows": []})


def test_numbers_are_readable() -> None:
    assert (number(1234567), share(1, 8), share(0, 5), share(1, 400)) == (
        "1,234,567",
        "12 %",
        "0 %",
        "0.25 %",
    )
