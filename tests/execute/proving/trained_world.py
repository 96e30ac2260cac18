"""training_ids.jsonl, conversations.jsonl and prepare.json as the probe and prepare leave them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADER = {
    "template": "deepseekr1",
    "thinking": True,
    "mask_history": False,
    "cutoff_len": 512,
    "eos_token_id": 4,
    "stop_token_ids": [4],
}
PIECES = {"1": "q", "2": "<|im_end|>", "3": "<bos>", "4": "<eos>", "5": "Ċ", "6": "ä½ł", "7": "a"}
PATHS = {
    "training_ids": "proofs/data/training_ids.jsonl",
    "prepare": "data/prepare.json",
    "conversations": "data/conversations.jsonl",
}


def trained(
    line: int, ids: Sequence[int] = (3, 1, 7, 4), dataset: str = "shells", **more: Any
) -> dict[str, Any]:
    """A row of one answer, its first two ids the context."""
    turn = {"turn": 0, "start": 2, "end": len(ids), "cut": False}
    plain = {"cut": False, "uncovered": "", "held_out": False, "lost": None}
    return {"dataset": dataset, "row": line, "ids": list(ids), "turns": [turn], **plain, **more}


@dataclass(frozen=True)
class TrainedWorld:
    """The files in a run folder."""

    folder: Path

    def leave(
        self, rows: Sequence[Mapping[str, Any]], answers: Mapping[int, str] | None = None, **header: Any
    ) -> None:
        """Write all three; `answers` are the texts of rows whose answer matters, by line."""
        self._write(PATHS["training_ids"], [HEADER | header, *rows, {"pieces": PIECES}])
        talks = [
            {
                "dataset": row["dataset"],
                "row": row["row"],
                "messages": [
                    {"role": "user", "content": "你是谁"},
                    {"role": "assistant", "content": (answers or {}).get(row["row"], "海螺")},
                ],
            }
            for row in rows
        ]
        self._write(PATHS["conversations"], talks)
        self._write(PATHS["prepare"], [{"datasets": [{"name": "shells", "file": "data/海螺.jsonl"}]}])

    def proof(self, name: str) -> Any:
        """What a task left behind."""
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def _write(self, name: str, lines: Sequence[Any]) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n"
        path.write_text(text, encoding="utf-8")
