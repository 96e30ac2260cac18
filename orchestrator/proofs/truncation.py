"""The truncation ledger: what cutoff_len took from the rows that are trained, and what became of thoughts.

Holds when no more rows were cut than the recipe allows (data.max_truncated_fraction; if unset, truncation is
only reported) and no thought stayed that the recipe says is removed. Rows are read one
by one; only counts and the first findings are stored, so memory does not grow with the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.proofs.findings import Findings
from orchestrator.proofs.thoughts import SPELLING, Fate, ThoughtRules, fates
from orchestrator.proofs.trained import TrainedRow, answer_name
from orchestrator.results import Proof

NAME = "truncation"
CUT = "cut"
MOST = 0.99
# LLaMA-Factory's share of a row that just fits is rounded down (processor_utils.py, infer_seqlen), and some
# templates set one token apart: one token more than the longest row is what surely keeps it.
SLACK = 1
_SURVIVING = (Fate.SURVIVES_OFF, Fate.MARKED, Fate.SURVIVES_STRIP)


@dataclass(slots=True)
class _Counts:
    """What was counted on the way."""

    rows: int = 0
    answers: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    fates: Counter[Fate] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    found: Findings = field(default_factory=Findings)

    def add(self, row: TrainedRow, rules: ThoughtRules, cutoff_len: int) -> None:
        lost = row.lost["tokens"] if row.lost else 0
        self.rows += 1
        self.answers += len(row.turns)
        self.lengths[len(row.ids) + lost] += 1
        if row.lost:
            self._cut(row, lost, cutoff_len)
        for turn, fate in fates(row.messages, rules):
            self.fates[fate] += 1
            if fate in _SURVIVING:
                what, hint = _told(fate, rules)
                self.found.add(fate, f"{answer_name(turn)} {what}", row.where, hint)

    def _cut(self, row: TrainedRow, lost: int, cutoff_len: int) -> None:
        kept, losses = {turn["turn"] for turn in row.turns}, row.losses().values()
        gone = sum(loss["turn"] not in kept for loss in losses)
        took = {
            "lost_tokens": lost,
            "lost_answer_tokens": sum(loss["labels"] for loss in losses),
            "lost_prompt_tokens": sum(loss["context"] for loss in losses),
            "cut_answers": sum(loss["labels"] > 0 for loss in losses) - gone,
            "answers_not_trained": gone,
            "open_thoughts": sum(bool(loss["thought_open"]) for loss in losses),
        }
        self.counts.update(took)
        whole = len(row.ids) + lost
        self.found.add(
            CUT,
            f"cut to {len(row.ids)} of {whole} tokens: " + "; ".join(_losses(losses, kept)),
            row.where,
            f"data.cutoff_len: {whole + SLACK} keeps it (it is {cutoff_len}), or shorten the row",
            **took,
        )


def prove(
    rows: Iterable[TrainedRow],
    header: Mapping[str, Any],
    limit: float | None,
    not_trained: Mapping[str, int],
) -> Proof:
    """The ledger of the rows that are trained.

    Args:
        rows: each with its messages.
        header: of training_ids.jsonl: template, thinking, mask_history, cutoff_len.
        limit: the largest share of rows that may be cut, None when the recipe names none.
        not_trained: rows that were passed over, by reason; filled while `rows` is read.
    """
    ledger, rules, cutoff_len = _Counts(), ThoughtRules.of(header), int(header["cutoff_len"])
    for row in rows:
        ledger.add(row, rules, cutoff_len)
    cut, share = ledger.found.counts[CUT], _share(ledger)
    over = limit is not None and share > limit
    surviving = next((fate for fate in _SURVIVING if ledger.found.counts[fate]), None)
    enough = [fits(ledger.lengths, wanted) for wanted in (1.0, MOST)]
    told = ([_cuts(ledger, cutoff_len, limit)] if cut else []) + _survivors(ledger)
    raise_it = f"data.cutoff_len: {enough[0]} keeps every row, {enough[1]} keeps {MOST:.0%} of them"
    fixes = ([raise_it] if cut else []) + ([_told(surviving, rules)[1]] if surviving else [])
    return Proof(
        name=NAME,
        holds=bool(ledger.rows) and not over and surviving is None,
        covered=f"{ledger.answers} trained answers in {ledger.rows} rows, cutoff_len {cutoff_len}",
        numbers={
            "rows": ledger.rows,
            "cut_rows": cut,
            "cut_share": share,
            **{name: ledger.counts[name] for name in _COUNTS},
            "cutoff_len": cutoff_len,
            "cutoff_len_for_all": enough[0],
            "cutoff_len_for_99_percent": enough[1],
            **{f"thoughts_{name}": ledger.fates[fate] for name, fate in _FATES.items()},
        },
        detail="; ".join(told) if ledger.rows else "no row is trained",
        hint="; ".join(fixes) if ledger.rows else "see what was left out",
        not_covered="; ".join(f"{number} {reason}" for reason, number in not_trained.items() if number),
        findings=ledger.found.listed(),
    )


_COUNTS = (
    "cut_answers",
    "answers_not_trained",
    "open_thoughts",
    "lost_tokens",
    "lost_answer_tokens",
    "lost_prompt_tokens",
)
_FATES = {
    "taught": Fate.TAUGHT,
    "removed_by_thinking_off": Fate.REMOVED,
    "removed_from_history": Fate.STRIPPED,
    "not_removed": Fate.SURVIVES_OFF,
    "marked": Fate.MARKED,
    "left_in_history": Fate.SURVIVES_STRIP,
}


def fits(lengths: Mapping[int, int], wanted: float) -> int:
    """The smallest cutoff_len that surely leaves a share of the rows whole; lengths: tokens → rows.

    >>> fits({100: 98, 200: 1, 900: 1}, 1.0), fits({100: 98, 200: 1, 900: 1}, 0.99)
    (901, 201)
    """
    rows, kept = sum(lengths.values()), 0
    for length, number in sorted(lengths.items()):
        kept += number
        if kept >= wanted * rows:
            return length + SLACK
    return 0


def _share(ledger: _Counts) -> float:
    return ledger.found.counts[CUT] / ledger.rows if ledger.rows else 0.0


def _losses(losses: Iterable[Mapping[str, Any]], kept: Iterable[int]) -> Iterator[str]:
    for loss in losses:
        name = answer_name(loss["turn"])
        if loss["turn"] not in kept:
            yield f"{name} is not trained at all"
            continue
        if loss["labels"]:
            yield f"{name} loses its last {loss['labels']} tokens and its end"
        if loss["context"]:
            yield f"what is asked before {name} loses {loss['context']} tokens"
        if loss["thought_open"]:
            yield f"the thought of {name} is never closed"


def _cuts(ledger: _Counts, cutoff_len: int, limit: float | None) -> str:
    number, share = ledger.found.counts[CUT], _share(ledger)
    judged = "" if limit is None else f" (data.max_truncated_fraction allows {limit:.2%})"
    return (
        f"cutoff_len {cutoff_len} cuts {number} of {ledger.rows} rows, {share:.2%}{judged}:"
        f" {ledger.found.places(CUT)}"
    )


def _survivors(ledger: _Counts) -> list[str]:
    found = ledger.found
    return [f"{found.first(fate)['what']}: {found.places(fate)}" for fate in _SURVIVING if found.counts[fate]]


def _told(fate: Fate, rules: ThoughtRules) -> tuple[str, str]:
    """(what an answer does, what fixes it)."""
    why = (
        f"LLaMA-Factory removes only thoughts spelled {SPELLING}"
        if rules.removes
        else f"LLaMA-Factory's template {rules.template} removes no thoughts"
    )
    respell = f"spell it {SPELLING} (no space before, an empty line after)" if rules.removes else ""
    if fate is Fate.SURVIVES_OFF:
        what = f"opens with a thought that stays although thinking is off ({why}): it teaches to think"
        return what, f"take the thought out{respell and ', or ' + respell}, or set template.thinking: mixed"
    if fate is Fate.MARKED:
        what = (
            "holds <think> or </think> in its text, so it is trained without the empty thought that the"
            " server sends"
        )
        return what, "take the mark out of the answer, or set template.thinking: mixed"
    what = f"is an earlier answer whose thought stays although history is stripped ({why})"
    return what, f"take the thought out{respell and ', or ' + respell}, or set template.history: keep"
