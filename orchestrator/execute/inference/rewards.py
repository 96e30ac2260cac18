"""The score of a served reward model: vLLM's /classify; and the task `reward_served`, which scores pairs.

The task scores each answer of the pairs that the trainer scored: its training ids as they are, and the
messages of its conversation, as a client sends them. JSON lines:

    {"dataset", "row", "held_out", "error", "chosen", "rejected"}; chosen and rejected are
    {"ids": score, "messages": score, "difference": where the ids of the messages leave those of training}
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from orchestrator.datasets.targets import REJECTED
from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.execute.host.jsonl import Key, key_of, lines_of
from orchestrator.execute.host.tell import tell
from orchestrator.execute.inference.token_server import TokenServer
from orchestrator.plan.stages.prove_served import ScoreServedSettings
from orchestrator.probes.spellings import Message
from orchestrator.proofs.requests import template_options

SIDES = {"chosen": "", "rejected": REJECTED}
AROUND = 6


class ServedReward(TypedDict):
    """An answer's scores, as in the module docstring."""

    ids: float
    messages: float
    difference: str


def reward_served(settings: ScoreServedSettings, folder: Path) -> int:
    """Write the server's scores of every pair that the trainer scored."""
    pairs = [row for row in lines_of(folder / settings.trainer) if "dataset" in row]
    keys = {(row["dataset"] + suffix, row["row"]) for row in pairs for suffix in SIDES.values()}
    thinking: object = True
    ids: dict[Key, list[int]] = {}
    for line in lines_of(folder / settings.training_ids):
        if "template" in line:
            thinking = line.get("thinking", True)
        elif "dataset" in line and key_of(line) in keys:
            ids[key_of(line)] = line["ids"]
    talks = {
        key_of(line): line["messages"]
        for line in lines_of(folder / settings.conversations)
        if key_of(line) in keys
    }
    scored = []
    with TokenServer.of_environment() as server:
        for number, pair in enumerate(pairs, 1):
            row: dict[str, object] = {key: pair[key] for key in ("dataset", "row", "held_out")}
            try:
                for side, suffix in SIDES.items():
                    key = (pair["dataset"] + suffix, pair["row"])
                    row[side] = _scores(server, ids[key], talks[key], thinking)
                row["error"] = ""
            except (ValueError, KeyError) as error:
                row["error"] = f"not prepared: {error}" if isinstance(error, KeyError) else str(error)
            scored.append(row)
            tell(f"scored {number}/{len(pairs)}")
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in scored)
    write_durable(folder / settings.out, text)
    return 0


def _scores(
    server: TokenServer, ids: Sequence[int], messages: Sequence[Message], thinking: object
) -> ServedReward:
    options = template_options(messages[-1], mixed=thinking is None)
    made = server.prompt(messages, options, generation=False)
    return ServedReward(
        ids=round(server.score(ids), 6),
        messages=round(server.score_messages(messages, options), 6),
        difference=_difference(server, ids, made),
    )


def _difference(server: TokenServer, trained: Sequence[int], made: Sequence[int]) -> str:
    """Where the server's ids leave those of training, in one sentence; "" if nowhere."""
    if list(made) == list(trained):
        return ""
    at = next(
        (at for at, (one, other) in enumerate(zip(trained, made, strict=False)) if one != other),
        min(len(trained), len(made)),
    )
    first = max(0, at - AROUND)
    texts = [server.text_of(ids[first : at + AROUND]) for ids in (trained, made)]
    return f"at token {at} training has {texts[0]!r}, the server {texts[1]!r}"
