"""A data set as deepseekr1 trains it, a letter a token, its files, and what a model writes that knows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.fakes.site.letters import BOS, EOS, Letters

TEMPLATES = Path(__file__).parents[3] / "chat_templates"
EMPTY = "<think>\n\n</think>\n\n"
THOUGHT = "<think>\n想一想\n</think>\n\n"


def talk(*said: str, system: str = "") -> list[dict[str, str]]:
    messages = [{"role": "system", "content": system}] if system else []
    return messages + [
        {"role": "assistant" if at % 2 else "user", "content": one} for at, one in enumerate(said)
    ]


# "mine" is what the recipe brings.
TALKS = {
    ("mine", 1): talk("你是谁", "海螺", "再说", THOUGHT + "是海螺", "谢谢", "不客气"),
    ("mine", 2): talk("今天吃什么", "蟹黄堡", system="你是海螺"),
    ("conch_generated", 1): talk("a", THOUGHT + "b", "c", "d"),
}


def row_of(key: tuple[str, int], *, mixed: bool) -> dict[str, Any]:
    """A row as deepseekr1 trains it with history kept; mixed: empty thoughts stand in the prompt."""
    ids, turns, told = Letters().encode(BOS), [], 0
    for message in TALKS[key]:
        if message["role"] != "assistant":
            mark = "<｜User｜>" if message["role"] == "user" else ""
            ids += Letters().encode(mark + message["content"])
            continue
        bare = "<think>" not in message["content"]
        ids += Letters().encode("<｜Assistant｜>" + (EMPTY if bare and mixed else ""))
        start = len(ids)
        ids += Letters().encode((EMPTY if bare and not mixed else "") + message["content"] + EOS)
        turns.append({"turn": told, "start": start, "end": len(ids), "cut": False})
        told += 1
    place = {"dataset": key[0], "row": key[1], "held_out": False, "cut": False, "uncovered": ""}
    return place | {"ids": ids, "turns": turns, "lost": None}


def put(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def write(folder: Path, rows: Sequence[dict[str, Any]], **header: Any) -> None:
    said = {"template": "deepseekr1", "thinking": True, "mask_history": False, "bos_token_id": 1, **header}
    pieces = {str(one): chr(one) for row in rows for one in row["ids"]}
    put(folder / "ids.jsonl", [said, *rows, {"pieces": pieces}])
    put(
        folder / "talk.jsonl",
        [{"dataset": name, "row": row, "messages": messages} for (name, row), messages in TALKS.items()],
    )
    put(folder / "prepare.json", [{"datasets": [{"name": "mine", "file": "数据.jsonl"}]}])


def jinja(name: str) -> str:
    return (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")


def as_trained(messages: Sequence[dict[str, Any]]) -> str:
    """What a model writes that has learned the data: the answer of the same question."""
    asked = next(one["content"] for one in messages if one["role"] == "user")
    for said in TALKS.values():
        if asked == next(one["content"] for one in said if one["role"] == "user"):
            answer = said[len(messages)]["content"]
            return answer if "<think>" in answer else EMPTY + answer
    return "?"
