"""reward:gain: training raised the mean reward of held-out prompts.

The base and the tuned model answered the same prompts, which training did not see, through the usual server;
the reward model scored each answer as it was exported, not as the trainer loaded it. The gain of a prompt is
the score of the tuned model's answer less that of the base's. It holds if the mean gain is above 0; whether
its interval excludes 0 is told.

Not covered: whether a higher reward is a better answer. A model may learn what the reward model mistakes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.metrics.interval import bootstrap
from orchestrator.proofs.findings import LISTED, Finding
from orchestrator.proofs.scores import mean
from orchestrator.results import Proof, Sentence

NAME = "reward:gain"


@dataclass(frozen=True, slots=True)
class Scored:
    """One held-out prompt: its place, the question, and the rewards of both answers."""

    where: str
    question: str
    before: float
    after: float

    @property
    def gain(self) -> float:
        """What training added."""
        return self.after - self.before


def prove(prompts: Sequence[Scored], unanswered: int = 0) -> Proof:
    """The proof; `unanswered`: prompts without two answers."""
    gains = [one.gain for one in prompts]
    raised = bool(gains) and mean(gains) > 0
    return Proof(
        name=NAME,
        holds=raised,
        covered=Sentence(
            f"{len(prompts)} held-out prompts, answered by the base and by the tuned model",
            f"{len(prompts)} 条留出的提示，由基座和微调后的模型分别回答",
        ),
        numbers=dict(_numbers(prompts)),
        detail=_said(prompts) if prompts else Sentence("no answer was scored", "没有对任何回答打分"),
        hint="" if raised else _HINT,
        not_covered=Sentence(
            f"{unanswered} prompts without two answers", f"{unanswered} 条提示没有得到两份回答"
        )
        if unanswered
        else "",
        findings=tuple(_findings(prompts)),
    )


_HINT = Sentence(
    "more steps or prompts, then train.learning_rate and ppo.target_kl; the reward in the log of the training"
    " shows whether it rose there",
    "可增加步数或提示数，再调整 train.learning_rate 和 ppo.target_kl；训练日志中的 reward 显示训练时是否上升",
)


def _numbers(prompts: Sequence[Scored]) -> Iterator[tuple[str, float]]:
    yield "prompts", len(prompts)
    for name in ("before", "after", "gain") if prompts else ():
        values = [float(getattr(one, name)) for one in prompts]
        low, high = bootstrap(values)
        yield name, round(mean(values), 4)
        yield f"{name}_low", round(low, 4)
        yield f"{name}_high", round(high, 4)


def _said(prompts: Sequence[Scored]) -> Sentence:
    before, after = (mean([getattr(one, name) for one in prompts]) for name in ("before", "after"))
    gains = [one.gain for one in prompts]
    low, high = bootstrap(gains)
    chance = low <= 0 <= high
    return Sentence(
        f"mean reward {before:.3f} before and {after:.3f} after: {mean(gains):+.3f} (95 % from {low:+.3f} to"
        f" {high:+.3f}{', which may be chance' if chance else ''})",
        f"平均奖励：训练前 {before:.3f}，训练后 {after:.3f}，变化 {mean(gains):+.3f}"
        f"（95 % 区间 {low:+.3f} 到 {high:+.3f}{'，可能只是偶然' if chance else ''}）",
    )


def _findings(prompts: Sequence[Scored]) -> Iterator[Finding]:
    """The prompts that are answered worse, worst first."""
    for one in sorted(prompts, key=lambda one: one.gain)[:LISTED]:
        if one.gain < 0:
            what = Sentence(
                f"the reward fell from {one.before:.3f} to {one.after:.3f}: {one.question[:80]}",
                f"奖励从 {one.before:.3f} 降到 {one.after:.3f}：{one.question[:80]}",
            )
            yield {"what": what, "where": one.where}
