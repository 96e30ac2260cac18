"""The stop proof: every trained answer ends with a token at which the server stops, and holds none before.

Some templates (qwen, qwen3, chatml, smollm2) close an answer with `<|im_end|>` and a newline, both trained.
The server has stopped by then, so the token that must stop it is the last labelled one, or, where that is a
single newline, the one before it. An answer that cutoff_len cut before that token is told by file:line; the
truncation proof judges how many there may be.

Also here: what generation_config.json, tokenizer_config.json and config.json say of the end of an answer.
What would change how answers end is refuted; what only another program would trip over is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.proofs.findings import Findings
from orchestrator.proofs.trained import TrainedRow, answer_name
from orchestrator.results import Proof

NAME = "stop"
# A newline as byte-level, plain and SentencePiece vocabularies spell it.
NEWLINES = frozenset({"Ċ", "\n", "<0x0A>"})
CUT, NO_STOP, EARLY = "cut before its stop token", "does not stop", "stops early"
NO_END, WRONG_EOS, UNEQUAL = "no end", "wrong eos_token", "files differ"
_REFUTING = (NO_END, WRONG_EOS, NO_STOP, EARLY)


@dataclass(frozen=True, slots=True)
class Served:
    """What the probe in the serve environment found (probes/stop_ids.py), and what was there before.

    Attributes:
        stop_ids: at which the server stops.
        tokens: id → token, of every id that is named here.
        eos: the tokenizer's eos id, as vLLM loaded it; None where it has none.
        generation, config: the eos ids of generation_config.json and config.json, () where they name none.
        files: "generation_config", "config", "tokenizer_config" → its path, as people know it.
        base_eos: the eos token of the base's tokenizer, "" when unknown.
        trained_eos: the eos id of the trainer's tokenizer, which an export writes; None when unknown.
    """

    stop_ids: frozenset[int]
    tokens: Mapping[int, str]
    eos: int | None
    generation: tuple[int, ...]
    config: tuple[int, ...]
    files: Mapping[str, str]
    base_eos: str = ""
    trained_eos: int | None = None

    @classmethod
    def of(cls, facts: Mapping[str, Any], base_eos: str = "", trained_eos: int | None = None) -> Served:
        """From the probe's JSON. Raises KeyError, TypeError or ValueError when it is none."""
        names = ("generation_config", "config", "tokenizer_config")
        return cls(
            frozenset(facts["stop_ids"]),
            {int(token): text for token, text in facts["tokens"].items()},
            facts["eos_token_id"],
            tuple(facts["generation_config"]["eos_token_id"] or ()),
            tuple(facts["config"]["eos_token_id"] or ()),
            {name: facts[name]["file"] for name in names},
            base_eos,
            trained_eos,
        )


@dataclass(slots=True)
class _Tally:
    """What was counted on the way.

    Attributes:
        ends: token that closes a whole answer → answers.
        place: token → the first row that it closes.
    """

    served: Served
    tokens: Mapping[int, str]
    newlines: frozenset[int]
    rows: int = 0
    answers: int = 0
    cut: int = 0
    ends: Counter[int] = field(default_factory=Counter)
    place: dict[int, str] = field(default_factory=dict)
    found: Findings = field(default_factory=Findings)

    def add(self, row: TrainedRow) -> None:
        self.rows += 1
        losses = row.losses()
        for turn in row.turns:
            labels = row.ids[turn["start"] : turn["end"]]
            loss = losses.get(turn["turn"])
            cut = loss is not None and loss["labels"] > 0
            self._answer(row.where, turn["turn"], labels, cut=cut)
        kept = {turn["turn"] for turn in row.turns}
        for number in losses:
            if number not in kept:
                self._cut(row.where, number, "is not trained at all")

    def _answer(self, where: str, number: int, labels: Sequence[int], *, cut: bool) -> None:
        self.answers += 1
        stops = self.served.stop_ids
        end = len(labels) - 1
        if end > 0 and labels[end] in self.newlines and (not cut or labels[end - 1] in stops):
            end -= 1
        if cut and labels[end] not in stops:
            self._cut(where, number, "is cut before its stop token")
        else:
            self.ends[labels[end]] += 1
            self.place.setdefault(labels[end], where)
        if not stops.isdisjoint(before := labels[:end]):
            self._early(where, number, next(each for each in before if each in stops))

    def _cut(self, where: str, number: int, what: str) -> None:
        self.cut += 1
        self.found.add(CUT, f"{answer_name(number)} {what}", where, "raise data.cutoff_len")

    def _early(self, where: str, number: int, stop: int) -> None:
        what = f"{answer_name(number)} holds {self.name(stop)} before its end: the server stops there"
        hint = "take the token's text out of the answer"
        if stop in self.served.generation:
            hint += f", or {stop} out of eos_token_id in {self.served.files['generation_config']}"
        self.found.add(EARLY, what, where, hint)

    def text(self, token: int | None) -> str:
        return "?" if token is None else self.tokens.get(token) or self.served.tokens.get(token) or "?"

    def name(self, token: int | None) -> str:
        return f"{self.text(token)} ({token})"

    def names(self, tokens: Iterable[int]) -> str:
        return ", ".join(self.name(token) for token in sorted(tokens)) or "nothing"


def prove(
    rows: Iterable[TrainedRow], pieces: Mapping[int, str], served: Served, not_trained: Mapping[str, int]
) -> Proof:
    """Whether the server stops where training says that an answer ends.

    Args:
        rows: those that are trained.
        pieces: id → token of the ids in them.
        served: what the probe found.
        not_trained: rows that were passed over, by reason; filled while `rows` is read.
    """
    newlines = frozenset(token for token, text in pieces.items() if text in NEWLINES)
    tally = _Tally(served, pieces, newlines)
    for row in rows:
        tally.add(row)
    _no_end(tally)
    _no_stop(tally)
    _files(tally)
    found = tally.found
    culprit = next((kind for kind in _REFUTING if found.counts[kind]), None)
    first: Mapping[str, Any] = found.first(culprit) if culprit else {}
    where = first.get("where", "")
    left_out = {"answers cut before their stop token": tally.cut, **not_trained}
    return Proof(
        name=NAME,
        holds=culprit is None,
        covered=f"{tally.answers} trained answers in {tally.rows} rows; they end with"
        f" {tally.names(tally.ends)}; the server stops at {tally.names(served.stop_ids)}",
        numbers={
            "rows": tally.rows,
            "answers": tally.answers,
            "stopped": sum(number for token, number in tally.ends.items() if token in served.stop_ids),
            "not_stopped": sum(n for token, n in tally.ends.items() if token not in served.stop_ids),
            "stopped_early": found.counts[EARLY],
            "cut_before_stop": tally.cut,
            "files_differ": found.counts[UNEQUAL] + found.counts[WRONG_EOS],
        },
        detail=(f"{where}: " if where else "") + first["what"] if culprit else "",
        hint=first.get("hint", ""),
        not_covered="; ".join(f"{number} {reason}" for reason, number in left_out.items() if number),
        findings=found.listed(),
    )


def _no_end(tally: _Tally) -> None:
    if not tally.ends:
        what = "no trained answer reaches its end: nothing teaches the model to stop"
        tally.found.add(NO_END, what, hint="raise data.cutoff_len; see the truncation proof")


def _no_stop(tally: _Tally) -> None:
    """Tokens that close answers but do not stop the server; the first row of each."""
    served = tally.served
    for token, number in tally.ends.most_common():
        if token not in served.stop_ids:
            what = (
                f"{number} trained answers end with {tally.name(token)}, and the server stops only at"
                f" {tally.names(served.stop_ids)}: it runs on"
            )
            tally.found.add(NO_STOP, what, tally.place[token], _add(served, token))


def _files(tally: _Tally) -> None:
    """What the three files say, against what answers were trained to end with."""
    if not tally.ends:
        return
    for kind, what, where, hint in _disagreements(tally):
        tally.found.add(kind, what, where, hint)


def _disagreements(tally: _Tally) -> Iterator[tuple[str, str, str, str]]:
    """(kind, what, file, fix) of each."""
    served, ends = tally.served, tally.ends
    (main, _), *_rest = ends.most_common(1)
    trained = f"answers are trained to end with {tally.names(ends)}"
    tokenizer = served.files["tokenizer_config"]
    # vLLM reads config.json only where there is no generation_config.json.
    leading = served.generation or served.config
    changed = served.trained_eos is not None and served.eos != served.trained_eos
    if changed or served.eos not in ends:
        says = "names no eos_token" if served.eos is None else f"its eos_token is {tally.name(served.eos)}"
        was = f", the trainer's was {tally.name(served.trained_eos)}" if changed else ""
        known = served.eos is None or served.eos in leading
        kind = WRONG_EOS if changed or not known else UNEQUAL
        right = served.trained_eos if changed else main
        yield kind, f"{says}{was}; {trained}", tokenizer, f'"eos_token": "{tally.text(right)}"'
    for name in ("generation", "config"):
        ids: tuple[int, ...] = getattr(served, name)
        if not ids or not ends.keys().isdisjoint(ids):
            continue
        file = served.files["config" if name == "config" else "generation_config"]
        # An eos that LLaMA-Factory put in place of the base's own is new to the base's files; one that the
        # base's tokenizer had before must be known to them, or one of the two is wrong.
        own = name == "generation" and bool(served.base_eos) and served.base_eos == tally.tokens.get(main)
        contradicts = own and main not in served.config
        what = f"its eos_token_id is {tally.names(ids)}; {trained}"
        yield (WRONG_EOS if contradicts else UNEQUAL), what, file, _add(served, main)


def _add(served: Served, token: int) -> str:
    ids = sorted({token, *served.generation})
    return f'"eos_token_id": {ids} in {served.files["generation_config"]}'
