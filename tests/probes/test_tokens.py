from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Probe = Callable[[str], ModuleType]


class Letters:
    """A tokenizer of code points; `lost` are characters that it drops, as a broken one does."""

    all_special_tokens = ("<eos>",)

    def __init__(self, lost: str = "") -> None:
        self.lost = lost

    def get_added_vocab(self) -> dict[str, int]:
        return {"<think>": 7}

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        assert not add_special_tokens
        return [ord(character) for character in text if character not in self.lost]

    def decode(self, ids: list[int], **how: Any) -> str:
        assert how == {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
        return "".join(map(chr, ids))

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [chr(number) for number in ids]


def test_a_whole_tokenizer_gives_every_text_back(probe: Probe) -> None:
    assert probe("tokens").round_trip(Letters()) == {"ok": True, "failures": []}


def test_a_tokenizer_that_drops_spaces_newlines_or_chinese_is_caught(probe: Probe) -> None:
    tokens = probe("tokens")
    for lost in (" ", "\n", "你"):
        found = tokens.round_trip(Letters(lost))
        assert found["ok"] is False
        assert found["failures"][0]["decoded"] == found["failures"][0]["text"].replace(lost, "")


def test_the_fixed_texts_hold_every_special_and_added_token_alone_and_inside_text(probe: Probe) -> None:
    tokens = probe("tokens")
    found = {row["text"]: row for row in tokens.fixed_texts(Letters(" "))}
    assert set(tokens.FIXED_TEXTS) < set(found)
    assert {"<eos>", "<think>", "海螺<eos>shell", "海螺<think>shell"} < set(found)
    assert found["a b\n你"] == {"text": "a b\n你", "ids": [97, 98, 10, 20320], "decoded": "ab\n你"}


def test_pieces_are_of_the_ids_that_were_used(probe: Probe) -> None:
    assert probe("tokens").pieces(Letters(), {98, 97}) == {"pieces": {"97": "a", "98": "b"}}


def test_versions_leave_out_what_is_not_installed(probe: Probe) -> None:
    found = probe("tokens").versions("click", "no-such-distribution")
    assert sorted(found) == ["click", "python"]


def test_a_refusal_tells_the_loop_and_ends(
    probe: Probe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "problems.json"
    monkeypatch.setenv("CONCH_PROBLEMS", str(told))
    codes: list[int] = []
    monkeypatch.setattr("os._exit", codes.append)
    probe("tokens").refuse("it is wrong", "here:1", "fix it")
    assert codes == [2]
    assert json.loads(told.read_text(encoding="utf-8")) == [
        {"what": "it is wrong", "where": "here:1", "hint": "fix it"}
    ]
    assert "here:1  it is wrong" in capsys.readouterr().err
