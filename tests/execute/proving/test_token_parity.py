from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import MissingError, StageFailed
from orchestrator.execute.proving.token_parity import LISTED, compare
from orchestrator.execute.runner.task import typed

SETTINGS = {"name": "parity:data", "training_ids": "t.jsonl", "serving_ids": "s.jsonl", "out": "parity.json"}
WHOLE = {"ok": True, "failures": []}
HEADER = {
    "versions": {"transformers": "5.5.4"},
    "tokenizer": "TokenizersBackend",
    "round_trip": WHOLE,
    "template": "deepseekr1",
    "thinking": True,
    "mask_history": False,
    "bos_token_id": 0,
    "template_sha256": "",
}
PIECES = {"pieces": {"0": "<bos>", "1": "q", "2": "a", "3": "z"}}


def row(number: int, *, context: tuple[int, ...] = (0, 1), **more: Any) -> dict[str, Any]:
    start = len(context)
    turn = {"turn": 0, "start": start, "end": start + 1, "cut": False}
    ids = {"ids": [*context, 2], "turns": [turn]}
    return {"dataset": "mine", "row": number, **ids, "cut": False, "uncovered": ""} | more


def answer(number: int, *ids: int) -> dict[str, Any]:
    variants = [{"names": ["thought"], "lossy": False, "ids": list(ids), "error": ""}]
    return {"dataset": "mine", "row": number, "turns": [{"turn": 0, "variants": variants}]}


def leave(folder: Path, trained: list[Any], served: list[Any], closing: Any = PIECES, **header: Any) -> None:
    for name, rows in (("t.jsonl", trained), ("s.jsonl", served)):
        lines = [json.dumps(each) for each in (HEADER | header, *rows, closing)]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def parity(folder: Path) -> Any:
    return json.loads((folder / "parity.json").read_text(encoding="utf-8"))


def test_equal_prompts_hold(tmp_path: Path) -> None:
    # The trainer may have dropped rows that are served.
    leave(tmp_path, [row(3), row(9)], [answer(3, 0, 1, 2), answer(4, 3), answer(9, 0, 1)])
    assert compare(typed(compare, SETTINGS), tmp_path) == 0
    found = parity(tmp_path)
    assert found["holds"] is True
    assert found["numbers"] == {"equal": 1, "prefill": 1, "missing": 0, "forced": 0, "differs": 0}
    assert found["covered"] == "2 answers in 2 rows of mine"
    assert found["first_difference"] is None
    assert found["versions"]["train"] == {"transformers": "5.5.4"}


def test_a_difference_is_refuted_unless_it_is_accepted(tmp_path: Path) -> None:
    leave(tmp_path, [row(3), row(9)], [answer(3, 0, 1), answer(9, 0, 3)])
    assert compare(typed(compare, SETTINGS), tmp_path) == 5
    first = parity(tmp_path)["first_difference"]
    assert (first["row"], first["verdict"], first["position"]) == (9, "differs", 1)
    assert (first["training_id"], first["served_id"]) == (1, 3)
    assert compare(typed(compare, SETTINGS | {"accept_mismatch": True}), tmp_path) == 0
    found = parity(tmp_path)
    assert (found["holds"], found["accepted"]) == (False, True)


def test_nothing_is_accepted_where_it_holds(tmp_path: Path) -> None:
    leave(tmp_path, [row(3)], [answer(3, 0, 1)])
    assert compare(typed(compare, SETTINGS | {"accept_mismatch": True}), tmp_path) == 0
    assert parity(tmp_path)["accepted"] is False


def test_a_tokenizer_that_drops_text_never_holds(tmp_path: Path) -> None:
    broken = {"ok": False, "failures": [{"text": "a b\n你", "decoded": "ab", "ids": [1]}]}
    leave(tmp_path, [row(3)], [answer(3, 0, 1)], round_trip=broken)
    assert compare(typed(compare, SETTINGS), tmp_path) == 5
    found = parity(tmp_path)
    assert "transformers 5.5.4" in found["first_difference"]["explanation"]
    assert found["first_difference"]["hint"]
    assert found["round_trip"]["train"] == broken


def test_what_is_not_compared_is_counted_and_told(tmp_path: Path) -> None:
    cut = row(1)
    cut["turns"][0]["cut"] = True
    leave(tmp_path, [cut, row(2, uncovered="tools"), row(3)], [answer(1, 3), answer(3, 0, 1)])
    assert compare(typed(compare, SETTINGS), tmp_path) == 0
    found = parity(tmp_path)
    assert found["left_out"]["cut_contexts"] == found["left_out"]["uncovered_rows"] == 1
    assert "1 prompts cut by cutoff_len" in found["covered"]
    assert "1 rows with tools or media" in found["covered"]


def test_made_up_rows_out_of_reach_are_told_and_do_not_decide(tmp_path: Path) -> None:
    pieces = {"pieces": {"0": "<bos>", "1": "Ċ", "2": "a", "3": "ĊĊ"}}
    for name, code in (("conch_generated", 0), ("mine", 5)):
        far = [row(1, context=(0, 1, 1), dataset=name), row(2, dataset=name)]
        seen = [answer(1, 0, 3) | {"dataset": name}, answer(2, 0, 1) | {"dataset": name}]
        leave(tmp_path, far, seen, closing=pieces)
        assert compare(typed(compare, SETTINGS), tmp_path) == code
        found = parity(tmp_path)
        assert found["left_out"].get("unreachable", 0) == (code == 0)
        assert ("unreachable" in found["covered"]) == (code == 0)


def test_nothing_compared_proves_nothing(tmp_path: Path) -> None:
    leave(tmp_path, [row(2, uncovered="tools")], [])
    assert compare(typed(compare, SETTINGS), tmp_path) == 5
    assert "no answer was compared" in parity(tmp_path)["first_difference"]["explanation"]


def test_the_first_fifty_are_listed(tmp_path: Path) -> None:
    numbers = range(LISTED + 10)
    leave(tmp_path, [row(n) for n in numbers], [answer(n, 0, 3) for n in numbers])
    compare(typed(compare, SETTINGS), tmp_path)
    assert len(parity(tmp_path)["findings"]) == LISTED
    assert parity(tmp_path)["numbers"]["differs"] == LISTED + 10


def test_a_probe_that_left_nothing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"t\.jsonl"):
        compare(typed(compare, SETTINGS), tmp_path)


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    leave(tmp_path, [row(3)], [answer(3, 0, 1)])
    whole = (tmp_path / "s.jsonl").read_bytes()
    for end in (0, 10, len(whole) - 30, whole.rindex(b'{"pieces')):
        (tmp_path / "s.jsonl").write_bytes(whole[:end])
        with pytest.raises(StageFailed, match="cut off"):
            compare(typed(compare, SETTINGS), tmp_path)


def test_a_conversation_that_was_not_served(tmp_path: Path) -> None:
    leave(tmp_path, [row(3), row(4)], [answer(3, 0, 1)])
    with pytest.raises(StageFailed, match="mine row 4: no served ids for answers 0"):
        compare(typed(compare, SETTINGS), tmp_path)
