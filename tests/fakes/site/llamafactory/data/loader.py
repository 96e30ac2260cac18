"""A data set's rows, aligned."""

import json
from pathlib import Path

from letters import Rows


def _load_single_dataset(attributes: object, *sides: object) -> list:
    data_args = sides[1]
    text = Path(data_args.dataset_dir, attributes.file).read_text(encoding="utf-8")
    rows = [align(json.loads(line)) for line in text.splitlines()]
    return Rows(rows[: data_args.max_samples])


def align(row: dict) -> dict:
    """A row as LLaMA-Factory's converters leave it."""
    if "text" in row:
        return {"_prompt": [{"role": "user", "content": row["text"]}], "_response": [], "_system": ""}
    messages = row["messages"]
    has_system = messages[0]["role"] == "system"
    system, turns = messages[0]["content"] if has_system else "", messages[has_system:]
    if "chosen" in row:
        return {"_prompt": turns, "_response": [row["chosen"], row["rejected"]], "_system": system}
    tag = {"_tag": row["kto_tag"]} if "kto_tag" in row else {}
    return {"_prompt": turns[:-1], "_response": turns[-1:], "_system": system, **tag}
