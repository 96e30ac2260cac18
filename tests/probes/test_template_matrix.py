"""Every chat template that ships, in every setting, against the trainer's own ids: equal, or beyond reach.

8 training templates × 3 × 2 settings, each with 500 ordinary conversations, of which every answer must be
asked for as it was taught in every spelling of its history, and 100 odd ones, of which an answer may also be

    unreachable    the same text in other ids: no template can be equal
    unforeseeable  trained without the empty thought that every other prompt ends in, because the answer to
                   come holds a thought's mark: the request is the same
    respelled      equal as it was written; an odd earlier answer is told otherwise by some clients
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execute.models import demo_model
from orchestrator.execute.proving.probe_files import answers_in_step, open_served, open_trained, training_of
from orchestrator.templates.compare import DifferenceKind, compare_turn, judge_ids
from orchestrator.templates.families import layouts
from orchestrator.templates.generated import MARKED, WHITE, generated_conversations
from orchestrator.templates.pieces import Pieces
from orchestrator.templates.prompt_diff import Difference, is_unreachable
from orchestrator.templates.writer import (
    EMPTY_THOUGHT,
    HISTORY,
    THINKING,
    THOUGHT_CLOSES,
    Thinking,
    settings_of,
)
from tests.probes.proxies import FAMILY_OF, stand_ins
from tests.probes.run_folder import Run, run_many, serve_arguments, train_arguments, turns

pytestmark = pytest.mark.real

ORDINARY, ODD = 500, 100
MADE = {
    "conch_generated": generated_conversations(11, ORDINARY, thoughts=True),
    "conch_odd": generated_conversations(12, ODD, thoughts=True, odd=True),
}
SETTINGS = list(product(sorted(layouts()), THINKING, HISTORY))


@pytest.fixture(scope="module")
def labels() -> dict[str, str]:
    """Family → what its tokenizer is; filled while the matrix is made."""
    return {}


@pytest.fixture(scope="module")
def matrix(
    tmp_path_factory: pytest.TempPathFactory,
    train_python: Path,
    serve_python: Path,
    labels: dict[str, str],
) -> Path:
    """A run folder for each (template, thinking, history), and its ids from both engines."""
    home = tmp_path_factory.mktemp("matrix")
    bases = stand_ins(demo_model.ensure_embedded(print), home)
    labels |= {name: label for name, (_, label) in bases.items()}
    serving: dict[Any, tuple[Path, str]] = {}
    for training, thinking, history in SETTINGS:
        place = home / f"{training}-{thinking}-{history}"
        Run(place, train_python, serve_python).lay_out(
            bases[FAMILY_OF[training]][0],
            [turns("一", "二")],
            thinking,
            history,
            made_up=MADE,
            template=training,
        )
        told = settings_of(training, thinking, history)
        # One template for all settings: what is served for the first is served for all.
        first, _ = serving.setdefault((training, told), (place, told[0]))
        if first != place:
            (place / "serving_ids.jsonl").symlink_to(first / "serving_ids.jsonl")
    places = sorted(path.parent for path in home.glob("*/train.yaml"))
    arguments = train_arguments(",".join(("mine", *MADE)))
    run_many(train_python, "training_ids", [(place, arguments) for place in places])
    jobs = [(place, serve_arguments(thinking=thinking)) for place, thinking in serving.values()]
    run_many(serve_python, "serving_ids", jobs)
    return home


@pytest.mark.parametrize(("training", "thinking", "history"), SETTINGS)
def test_a_served_model_is_asked_as_it_was_taught(
    matrix: Path, labels: Mapping[str, str], training: str, thinking: Thinking, history: str
) -> None:
    folder = matrix / f"{training}-{thinking}-{history}"
    trained, served = open_trained(folder / "training_ids.jsonl"), open_served(folder / "serving_ids.jsonl")
    assert trained.header["round_trip"]["ok"]
    how, pieces = training_of(trained.header), (trained.pieces, served.pieces)
    counts: dict[str, Counter[str]] = {"conch_generated": Counter(), "conch_odd": Counter()}
    rows, failures = Counter[str](), list[Any]()
    for row, answers in answers_in_step(trained, served):
        name = row["dataset"]
        rows[name] += 1
        for one, given in answers:
            assert not one["cut"]
            if name == "conch_odd":
                kind = odd(one, given, pieces, thinking, keeps=how.keeps_thoughts)
                if kind == "respelled" and not odd_before(row["row"], one["turn"]):
                    kind = "wrong"
            else:
                verdict = compare_turn((name, row["row"]), one, given, how, pieces)
                kind = verdict.verdict.value
                if not verdict.verdict.holds:
                    failures.append(verdict)
            counts.setdefault(name, Counter())[kind] += 1
            if kind == "wrong":
                failures.append((name, row["row"], one["turn"]))
    label = labels[FAMILY_OF[training]]
    told = {"setting": folder.name, "tokenizer": label, **{name: dict(its) for name, its in counts.items()}}
    sys.stdout.write(json.dumps(told) + "\n")
    assert (rows["conch_generated"], rows["conch_odd"]) == (ORDINARY, ODD), "the trainer dropped rows"
    assert not failures, failures[:3]
    assert set(counts["conch_generated"]) <= {"equal", "prefill"}
    if thinking != "off":
        assert not counts["conch_odd"]["unforeseeable"]


def odd_before(row: int, turn: int) -> bool:
    """Whether an odd answer stands in the history of that answer."""
    answers = [message["content"] for message in MADE["conch_odd"][row] if message["role"] == "assistant"]
    return any(answer in MARKED or answer.rpartition(THOUGHT_CLOSES)[2] in WHITE for answer in answers[:turn])


def odd(
    one: Mapping[str, Any],
    given: Mapping[str, Any],
    pieces: tuple[Pieces, Pieces],
    thinking: str,
    *,
    keeps: bool,
) -> str:
    """What is true of an answer in an odd conversation; `wrong` when nothing that is allowed."""
    context, answer = one["context"], one["labels"]
    kinds = {}
    for variant in given["variants"]:
        assert not variant["error"], variant["error"]
        kind, position = judge_ids(context, answer, variant["ids"])
        difference = Difference(kind.value, position, context, answer, variant["ids"])
        if kind is DifferenceKind.DIFFERS and is_unreachable(difference, pieces):
            return "unreachable"
        if "thought" in variant["names"]:
            kinds["written"] = kind
            forced = pieces[1].text(variant["ids"][len(context) :])
        # A client that drops a thought that training kept is another matter, told elsewhere.
        if not (variant["lossy"] and keeps):
            kinds[variant["names"][0]] = kind
    marked = "think>" in pieces[0].text(answer)
    if kinds["written"] is DifferenceKind.FORCED and thinking == "off" and marked and forced == EMPTY_THOUGHT:
        return "unforeseeable"
    if not kinds["written"].holds:
        return "wrong"
    return kinds["written"].value if all(kind.holds for kind in kinds.values()) else "respelled"
