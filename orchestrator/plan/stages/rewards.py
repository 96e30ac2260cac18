"""rewards: the reward model scores the base's and the tuned model's answers to held-out prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.backends import llamafactory
from orchestrator.plan.stage import Command, RenderedFile, Runtime, Stage, partial
from orchestrator.plan.stages.base import GAIN_PROOF, task
from orchestrator.plan.stages.questions import BASE, TUNED, Evaluation

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveGainSettings:
    """Settings of the task `prove_gain`: the scores that probes/answer_rewards.py wrote, and the sources."""

    scores: str
    prepare: str
    out: str
    accept_mismatch: bool = False


def stage(job: Job) -> Stage:
    """The exported reward model itself, in the environment of the exports, scores what was answered."""
    evaluation, scores = Evaluation.of(job), f"{partial(GAIN_PROOF)}/scores.jsonl"
    answers = {"before": evaluation.output(BASE), "after": evaluation.output(TUNED)}
    words = (
        *("train.yaml", "--base", "inputs/base", "--reward", "inputs/reward", "--out", scores),
        *(f"{when}={folder}/predictions.jsonl" for when, folder in answers.items()),
    )
    argv = ("{train}/bin/python", "{probes}/answer_rewards.py", *words)
    settings = ProveGainSettings(
        scores=scores,
        prepare="data/prepare.json",
        out=f"{partial(GAIN_PROOF)}/gain.json",
        accept_mismatch=job.accept_mismatch,
    )
    file, command = task("prove_gain", settings)
    return Stage(
        name="rewards",
        files=(RenderedFile("train.yaml", llamafactory.train_yaml(job)), file),
        commands=(Command(argv=argv, runtime=Runtime.TRAIN), command),
        inputs=("inputs", "data", *answers.values()),
        outputs=(GAIN_PROOF,),
    )
