"""compare: the ids of training against the ids of serving, as parity.json.

Rows are read one by one; of the served file only each row's place is kept, so that memory stays small.
Covered: every trained answer whose context the trainer did not cut. Not covered, and counted: cut contexts,
rows with tools or media.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.files import write_durable
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
            raise MissingError(Problem("the probe left no token ids", where=str(path), mend="run it again"))
    with paths[0].open("rb") as training, paths[1].open("rb") as serving:
        trained, served = _Ids.of(training, paths[0]), _Ids.of(serving, paths[1])
        tally = _tally(trained, served)
    parity = {**_summary(tally, trained.header, served.header), "accepted": False}
    parity["accepted"] = accepted and not parity["holds"]
    write_durable(folder / settings["out"], json.dumps(parity, ensure_ascii=False, indent=2) + "\n")
    return 0 if parity["holds"] or accepted else REFUTED


@dataclass(frozen=True, slots=True)
class _Ids:
    """A probe's file: its header, its pieces, and where each row begins."""

    stream: IO[bytes]
    path: Path
    header: Mapping[str, Any]
    pieces: Pieces
    offsets: Mapping[tuple[str, int], int]

    @classmethod
    def of(cls, stream: IO[bytes], path: Path) -> _Ids:
        header, offsets, line, offset = b"", {}, b"", 0
        for line in stream:
            if not header:
                header = line
            elif line.startswith(b'{"dataset"'):
                row = json.loads(line)
                offsets[row["dataset"], row["row"]] = offset
            offset += len(line)
        try:
            pieces = json.loads(line)["pieces"]
        except (ValueError, KeyError, TypeError):
            raise StageFailed(
                Problem("the token ids are cut off", str(path), "run the stage again")
            ) from None
        tokens = Pieces({int(token): text for token, text in pieces.items()})
        return cls(stream, path, json.loads(header), tokens, offsets)

    def rows(self) -> Iterator[dict[str, Any]]:
        for offset in self.offsets.values():
            yield self.at(offset)

    def at(self, offset: int) -> dict[str, Any]:
        self.stream.seek(offset)
        row: dict[str, Any] = json.loads(self.stream.readline())
        return row


@dataclass(slots=True)
class _Tally:
    """What was counted on the way."""

    verdicts: Counter[str] = field(default_factory=Counter)
    also: Counter[str] = field(default_factory=Counter)
    listed: list[TurnVerdict] = field(default_factory=list)
    worst: TurnVerdict | None = None
    datasets: dict[str, int] = field(default_factory=dict)

    def add(self, verdict: TurnVerdict) -> None:
        self.verdicts[verdict.verdict.value] += 1
        self.also["dropped_thoughts"] += verdict.dropped
        if not verdict.verdict.holds and self.worst is None:
            self.worst = verdict
        if verdict.explanation and len(self.listed) < LISTED:
            self.listed.append(verdict)


def _tally(trained: _Ids, served: _Ids) -> _Tally:
    tally, header = _Tally(), trained.header
    training = Training(
        header["template"], header["thinking"], header["mask_history"], header["bos_token_id"]
    )
    pieces = (trained.pieces, served.pieces)
    for row in trained.rows():
        name = row["dataset"]
        tally.datasets[name] = tally.datasets.get(name, 0) + 1
        if row["uncovered"]:
            tally.also["uncovered_rows"] += 1
            continue
        answers = _answers(row, served)
        for turn in row["turns"]:
            if turn["cut"]:
                tally.also["cut_contexts"] += 1
            else:
                tally.add(compare_turn((name, row["row"]), turn, answers[turn["turn"]], training, pieces))
    return tally


def _answers(row: Mapping[str, Any], served: _Ids) -> dict[int, dict[str, Any]]:
    """Turn number → what was served; every trained turn must be there."""
    offset = served.offsets.get((row["dataset"], row["row"]))
    answers = {} if offset is None else {turn["turn"]: turn for turn in served.at(offset)["turns"]}
    lacking = [str(turn["turn"]) for turn in row["turns"] if turn["turn"] not in answers]
    if lacking:
        what = f"{row['dataset']} row {row['row']}: no served ids for answers {', '.join(lacking)}"
        raise StageFailed(Problem(what, str(served.path), "give both probes the same conversations"))
    return answers


def _summary(tally: _Tally, train: Mapping[str, Any], serve: Mapping[str, Any]) -> dict[str, Any]:
    sentence, mend = explain_round_trip(train, serve)
    compared = sum(tally.verdicts.values())
    first = tally.worst.to_json() if tally.worst else None
    if not compared:
        sentence, mend = sentence or "no answer was compared", mend or "see what was left out"
    if sentence:
        first = {**(first or {}), "explanation": sentence, "mend": mend}
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


def _covered(tally: _Tally, compared: int) -> str:
    rows = ", ".join(f"{number} rows of {name}" for name, number in tally.datasets.items()) or "no rows"
    text = f"{compared} answers in {rows}"
    if tally.also["dropped_thoughts"]:
        text += f"; {tally.also['dropped_thoughts']} need clients that send earlier thoughts back"
    if tally.also["cut_contexts"]:
        text += f"; {tally.also['cut_contexts']} prompts cut by cutoff_len left out"
    if tally.also["uncovered_rows"]:
        text += f"; {tally.also['uncovered_rows']} rows with tools or media left out"
    return text
