"""compare: the ids of training against the ids of serving, as parity.json.

Both files are read row by row, in step: memory does not grow with the rows. Covered: every trained answer
whose context the trainer did not cut. Not covered, and counted: cut contexts, rows with tools or media, and
made-up rows that no template can reach.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.data.prepare import GENERATED
from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.execute.host.jsonl import last_line
from orchestrator.templates.compare import ORDER, TurnVerdict, compare_turn
from orchestrator.templates.explain import Training, explain_round_trip
from orchestrator.templates.pieces import Pieces

LISTED = 50
REFUTED = 5


def compare(settings: Mapping[str, Any], folder: Path) -> int:
    """Write parity.json; 5 when it does not hold and was not accepted.

    Args:
        settings: training_ids, serving_ids: the probes' files; out: parity.json; accept_mismatch; all paths
            relative to the folder.
        folder: the run folder.

    Raises:
        MissingError: a probe left no file. StageFailed: a file is cut off, or lacks a conversation.
    """
    accepted = bool(settings.get("accept_mismatch"))
    paths = [folder / settings[name] for name in ("training_ids", "serving_ids")]
    for path in paths:
        if not path.is_file():
            raise MissingError(Problem("the probe left no token ids", where=str(path), hint="run it again"))
    trained, served = (IdsFile.open(path) for path in paths)
    tally = _tally(trained, served)
    parity = {**_summary(tally, trained.header, served.header), "accepted": False}
    parity["accepted"] = accepted and not parity["holds"]
    write_durable(folder / settings["out"], json.dumps(parity, ensure_ascii=False, indent=2) + "\n")
    return 0 if parity["holds"] or accepted else REFUTED


@dataclass(frozen=True, slots=True)
class IdsFile:
    """A probe's file: its header, the pieces in its last line, and what else stands there.

    Attributes:
        path: the file.
        header: its first line.
        pieces: the text of every id in it.
        closing: its last line, the pieces aside.
    """

    path: Path
    header: Mapping[str, Any]
    pieces: Pieces
    closing: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> IdsFile:
        """Header and last line.

        Raises:
            StageFailed: it is cut off.
        """
        try:
            with path.open("rb") as lines:
                header = orjson.loads(lines.readline())
            closing = orjson.loads(last_line(path))
            pieces = Pieces({int(token): text for token, text in closing.pop("pieces").items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            raise _cut_off(path) from None
        return cls(path, header, pieces, closing)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every row, one at a time.

        Raises:
            StageFailed: one is cut off.
        """
        with self.path.open("rb") as lines:
            for line in lines:
                if line.startswith((b'{"dataset":', b'{"dataset" :')):
                    try:
                        yield orjson.loads(line)
                    except ValueError:
                        raise _cut_off(self.path) from None


def answers_in_step(
    trained: IdsFile, served: IdsFile
) -> Iterator[tuple[dict[str, Any], list[tuple[dict[str, Any], dict[str, Any]]]]]:
    """Each trained row, with (the trained answer: turn, cut, context, labels; what was served for it) pairs.

    Both files hold the rows in the same order; the trainer may have dropped some. A row that is not covered
    has no pairs.

    Raises:
        StageFailed: a conversation or an answer was not served.
    """
    serving = served.rows()
    for row in trained.rows():
        if row["uncovered"]:
            yield row, []
            continue
        place = (row["dataset"], row["row"])
        found = next((one for one in serving if (one["dataset"], one["row"]) == place), None)
        answers = {turn["turn"]: turn for turn in found["turns"]} if found else {}
        lacking = [str(turn["turn"]) for turn in row["turns"] if turn["turn"] not in answers]
        if lacking:
            what = f"{row['dataset']} row {row['row']}: no served ids for answers {', '.join(lacking)}"
            raise StageFailed(Problem(what, str(served.path), "give both probes the same conversations"))
        yield row, [(_cut_out(row["ids"], turn), answers[turn["turn"]]) for turn in row["turns"]]


def _cut_out(ids: Sequence[int], turn: Mapping[str, Any]) -> dict[str, Any]:
    start, end = turn["start"], turn["end"]
    return {"turn": turn["turn"], "cut": turn["cut"], "context": ids[:start], "labels": ids[start:end]}


def training_of(header: Mapping[str, Any]) -> Training:
    """How it was trained, as the header of training_ids.jsonl says."""
    return Training(header["template"], header["thinking"], header["mask_history"], header["bos_token_id"])


def _cut_off(path: Path) -> StageFailed:
    return StageFailed(Problem("the token ids are cut off", str(path), "run the stage again"))


@dataclass(slots=True)
class _ParityCounts:
    """What was counted on the way."""

    verdicts: Counter[str] = field(default_factory=Counter)
    also: Counter[str] = field(default_factory=Counter)
    listed: list[TurnVerdict] = field(default_factory=list)
    worst: TurnVerdict | None = None
    datasets: dict[str, int] = field(default_factory=dict)

    def add(self, verdict: TurnVerdict) -> None:
        if verdict.unreachable and verdict.dataset == GENERATED:
            self.also["unreachable"] += 1
            return
        self.verdicts[verdict.verdict.value] += 1
        self.also["dropped_thoughts"] += verdict.dropped
        if not verdict.verdict.holds and self.worst is None:
            self.worst = verdict
        if verdict.explanation and len(self.listed) < LISTED:
            self.listed.append(verdict)


def _tally(trained: IdsFile, served: IdsFile) -> _ParityCounts:
    tally, training = _ParityCounts(), training_of(trained.header)
    pieces = (trained.pieces, served.pieces)
    for row, answers in answers_in_step(trained, served):
        name = row["dataset"]
        tally.datasets[name] = tally.datasets.get(name, 0) + 1
        tally.also["uncovered_rows"] += bool(row["uncovered"])
        for one, given in answers:
            if one["cut"]:
                tally.also["cut_contexts"] += 1
            else:
                tally.add(compare_turn((name, row["row"]), one, given, training, pieces))
    tally.also += Counter()  # zeros are not told
    return tally


def _summary(tally: _ParityCounts, train: Mapping[str, Any], serve: Mapping[str, Any]) -> dict[str, Any]:
    sentence, hint = explain_round_trip(train, serve)
    compared = sum(tally.verdicts.values())
    first = tally.worst.to_json() if tally.worst else None
    if not compared:
        sentence, hint = sentence or "no answer was compared", hint or "see what was left out"
    if sentence:
        first = {**(first or {}), "explanation": sentence, "hint": hint}
    return {
        "holds": first is None,
        "counts": {kind.value: tally.verdicts[kind.value] for kind in ORDER},
        "left_out": dict(tally.also),
        "covered": _covered(tally, compared),
        "first_difference": first,
        "verdicts": [verdict.to_json() for verdict in tally.listed],
        "round_trip": {"train": train["round_trip"], "serve": serve["round_trip"]},
        "versions": {"train": train["versions"], "serve": serve["versions"]},
        "tokenizers": {"train": train["tokenizer"], "serve": serve["tokenizer"]},
        "template_sha256": serve["template_sha256"],
    }


def _covered(tally: _ParityCounts, compared: int) -> str:
    rows = ", ".join(f"{number} rows of {name}" for name, number in tally.datasets.items()) or "no rows"
    text = f"{compared} answers in {rows}"
    if tally.also["dropped_thoughts"]:
        text += f"; {tally.also['dropped_thoughts']} need clients that send earlier thoughts back"
    if tally.also["cut_contexts"]:
        text += f"; {tally.also['cut_contexts']} prompts cut by cutoff_len left out"
    if tally.also["uncovered_rows"]:
        text += f"; {tally.also['uncovered_rows']} rows with tools or media left out"
    if tally.also["unreachable"]:
        text += f"; {tally.also['unreachable']} made-up answers are the same text in other ids: out of reach"
    return text
