"""The task `compare`: the ids of training against the ids of serving, as the proof parity:data or :export.

Both files are read row by row, in step, so memory stays constant. Covers every trained answer whose context
the trainer did not cut. Not covered, and counted: cut contexts, rows with tools or media, and generated rows
that no template can reach.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.execute.data.prepare import GENERATED
from orchestrator.execute.proving.probe_files import (
    IdsFile,
    answers_in_step,
    open_served,
    open_trained,
    training_of,
)
from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.plan.stages.base import CompareSettings
from orchestrator.proofs.tokenizer import explain_round_trip
from orchestrator.proofs.trained import ServeHeader, TrainHeader, answer_name
from orchestrator.results import Proof, Sentence, in_chinese, joined
from orchestrator.templates.causes import Cause
from orchestrator.templates.compare import ORDER, TurnVerdict, compare_turn

LISTED = 50


def compare(settings: CompareSettings, folder: Path) -> int:
    """Write the proof; 5 if it does not hold and is not accepted."""
    trained = open_trained(folder / settings.training_ids)
    served = open_served(folder / settings.serving_ids)
    counts = _count(trained, served)
    train, serve = trained.header, served.header
    cause = _cause(counts, explain_round_trip(train, serve))
    proof = Proof(
        name=settings.name,
        holds=cause is None,
        covered=_covered(counts),
        numbers={kind.value: counts.verdicts[kind.value] for kind in ORDER},
        detail=cause.explanation if cause else "",
        hint=cause.hint if cause else "",
        findings=tuple(_finding(one) for one in counts.listed),
    )
    first = counts.worst.to_json() if counts.worst else {}
    more = {
        "left_out": dict(counts.left_out),
        "first_difference": {**first, "explanation": proof.detail, "hint": proof.hint} if cause else None,
        "round_trip": {"train": train["round_trip"], "serve": serve["round_trip"]},
        "versions": {"train": train["versions"], "serve": serve["versions"]},
        "tokenizers": {"train": train["tokenizer"], "serve": serve["tokenizer"]},
        "template_sha256": serve["template_sha256"],
    }
    return leave_proof(proof, settings, folder, more)


@dataclass(slots=True)
class _Counts:
    """Counts of verdicts and of what is left out, the first explained verdicts, and the first bad one."""

    verdicts: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    listed: list[TurnVerdict] = field(default_factory=list)
    worst: TurnVerdict | None = None
    datasets: Counter[str] = field(default_factory=Counter)

    def add(self, verdict: TurnVerdict) -> None:
        if verdict.unreachable and verdict.dataset == GENERATED:
            self.left_out["unreachable"] += 1
            return
        self.verdicts[verdict.verdict.value] += 1
        self.left_out["dropped_thoughts"] += verdict.dropped
        if not verdict.verdict.holds and self.worst is None:
            self.worst = verdict
        if verdict.explanation and len(self.listed) < LISTED:
            self.listed.append(verdict)


def _count(trained: IdsFile[TrainHeader], served: IdsFile[ServeHeader]) -> _Counts:
    counts, training = _Counts(), training_of(trained.header)
    pieces = (trained.pieces, served.pieces)
    for row, answers in answers_in_step(trained, served):
        name = row["dataset"]
        counts.datasets[name] += 1
        counts.left_out["uncovered_rows"] += bool(row["uncovered"])
        for answer, sent in answers:
            if answer.get("cut"):
                counts.left_out["cut_contexts"] += 1
            else:
                counts.add(compare_turn((name, row["row"]), answer, sent, training, pieces))
    counts.left_out += Counter()  # drops zeros
    return counts


def _cause(counts: _Counts, round_trip: Cause | None) -> Cause | None:
    """Why the proof does not hold; None if it does."""
    if round_trip:
        return round_trip
    if not counts.verdicts.total():
        return Cause(
            Sentence("no answer was compared", "没有比较任何回答"),
            Sentence("see what was left out", "请查看哪些内容被排除"),
        )
    return Cause(Sentence(counts.worst.explanation), Sentence(counts.worst.hint)) if counts.worst else None


def _finding(verdict: TurnVerdict) -> dict[str, object]:
    name, why = answer_name(verdict.turn), verdict.explanation
    what = Sentence(f"{name}: {why}", f"{name.zh}：{in_chinese(why)}")
    where = f"{verdict.dataset}:{verdict.row}"
    return {**verdict.to_json(), "what": what, "where": where, "explanation": why, "hint": verdict.hint}


def _covered(counts: _Counts) -> Sentence:
    compared, left_out = counts.verdicts.total(), counts.left_out
    rows = joined(
        [Sentence(f"{n} rows of {name}", f"{name} 的 {n} 行") for name, n in counts.datasets.items()],
        ", ",
        "、",
    )
    reasons = {
        "dropped_thoughts": Sentence(
            "need clients that send earlier thoughts back", "个需要客户端回传之前的思考"
        ),
        "cut_contexts": Sentence("prompts cut by cutoff_len left out", "个提示词被 cutoff_len 截断，未比较"),
        "uncovered_rows": Sentence("rows with tools or media left out", "行含工具或多媒体，未比较"),
        "unreachable": Sentence(
            "generated answers are the same text with other ids: unreachable",
            "个生成的回答文本相同而 id 不同：不可达",
        ),
    }
    parts = [
        Sentence(f"{left_out[key]} {reason}", f"{left_out[key]} {reason.zh}")
        for key, reason in reasons.items()
        if left_out[key]
    ]
    first = Sentence(
        f"{compared} answers in {rows or 'no rows'}", f"{rows.zh or '0 行'}中的 {compared} 个回答"
    )
    return joined([first, *parts])
