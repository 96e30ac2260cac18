"""environment: what trains computes the same from the base and the reward model as everything else does.

PPO is trained with an older transformers than the one that exports, merges and proves, and it reads other
files than they do (execute/models/older_folder.py). So both compute the log probabilities of some rows and
the reward model's scores before anything is trained. A rope_theta that is lost, a head that is missing or
random, weights of another model as the reference: each changes them. Both models must also read the same
texts as the same tokens, because the trainer gives the one's tokens to the other.

It holds if no row's probabilities or score differ by more than rounding does, and the tokens are equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.proofs.findings import Findings
from orchestrator.proofs.scores import mean
from orchestrator.results import Proof, Sentence, joined

NAME = "environment"
# Both compute in float32: on the embedded base and on exports of it, equal rows differed by 0.00001 at most.
CLOSE = 0.005
_BASE, _SCORE, _TOKENS = "base", "reward", "tokens"
_HINTS = {
    _BASE: Sentence(
        "the older transformers reads the base otherwise: choose another base, or another train.kind",
        "旧版 transformers 读取基座的方式不同：请换一个基座，或改用其他 train.kind",
    ),
    _SCORE: Sentence(
        "train and export the reward model again, and check that its export was not changed",
        "请重新训练并导出奖励模型，并确认其导出没有被改动",
    ),
    _TOKENS: Sentence(
        "build the reward model on the same base: model.base of both recipes",
        "请让奖励模型与本配方使用同一个基座（两份配方的 model.base）",
    ),
}


@dataclass(frozen=True, slots=True)
class Values:
    """One row as both environments computed it: the log probabilities of its tokens, and its score."""

    where: str
    trainer: Sequence[float]
    other: Sequence[float]
    trainer_score: float
    other_score: float

    @property
    def apart(self) -> float:
        """How far the log probabilities are apart, in nats a token."""
        if len(self.trainer) != len(self.other):
            return float("inf")
        return mean([abs(one - other) for one, other in zip(self.trainer, self.other, strict=True)])

    @property
    def scores_apart(self) -> float:
        """How far the scores are apart, relative to large ones."""
        return abs(self.trainer_score - self.other_score) / max(1.0, abs(self.other_score))


def prove(rows: Sequence[Values], versions: tuple[str, str], texts: Mapping[str, Sequence[object]]) -> Proof:
    """The proof.

    Args:
        rows: computed by both.
        versions: of transformers: the trainer's, and the other environment's.
        texts: model ("base", "reward") → the trainer's ids of the fixed texts.
    """
    found = Findings()
    for row in rows:
        _look(row, found)
    different = sum(one != other for one, other in zip(texts["base"], texts["reward"], strict=False))
    different += abs(len(texts["base"]) - len(texts["reward"]))
    if different:
        what = Sentence(
            f"the reward model reads {different} of {len(texts['base'])} fixed texts as other tokens than the"
            " base: it would score noise",
            f"{len(texts['base'])} 段固定文本中有 {different} 段，奖励模型切分出的 token 与基座不同，"
            "打分将毫无意义",
        )
        found.add(_TOKENS, what, "inputs/reward/tokenizer.json", _HINTS[_TOKENS])
    worst = max((row.apart for row in rows), default=0.0)
    score = max((row.scores_apart for row in rows), default=0.0)
    kinds = [kind for kind in (_TOKENS, _BASE, _SCORE) if found.counts[kind]]
    none = Sentence("no row was compared", "没有比对任何数据行")
    good = Sentence(
        f"transformers {versions[0]} and {versions[1]}: log probabilities of the base differ by at most"
        f" {worst:.5f} nats a token, scores of the reward model by {score:.5f}",
        f"transformers {versions[0]} 与 {versions[1]}：基座的对数概率每 token 最多相差 {worst:.5f} nats，"
        f"奖励模型的分数最多相差 {score:.5f}",
    )
    return Proof(
        name=NAME,
        holds=bool(rows) and not kinds,
        covered=Sentence(
            f"{len(rows)} rows and {len(texts['base'])} fixed texts, in both environments",
            f"{len(rows)} 行数据与 {len(texts['base'])} 段固定文本，在两个环境中各算一次",
        ),
        numbers={"rows": len(rows), "base_apart": round(worst, 6), "reward_apart": round(score, 6)}
        if rows and worst < float("inf")
        else {"rows": len(rows)},
        detail=joined([found.first(kind)[0] for kind in kinds]) or (good if rows else none),
        hint=found.first(kinds[0])[1] if kinds else "",
        findings=found.listed(),
    )


def _look(row: Values, found: Findings) -> None:
    # A NaN is not close either.
    if not row.apart <= CLOSE:
        what = Sentence(
            "the environment of the training computes other log probabilities of the base:"
            f" {row.apart:.4f} nats a token apart",
            f"训练环境对基座算出的对数概率不同：每 token 相差 {row.apart:.4f} nats",
        )
        found.add(_BASE, what, row.where, _HINTS[_BASE])
    if not row.scores_apart <= CLOSE:
        what = Sentence(
            f"the reward model scores {row.trainer_score:.4f} in the environment of the training, and"
            f" {row.other_score:.4f} as exported",
            f"奖励模型在训练环境中打出 {row.trainer_score:.4f} 分，导出的模型打出 {row.other_score:.4f} 分",
        )
        found.add(_SCORE, what, row.where, _HINTS[_SCORE])
