"""The types of report.json: what execute/reporting reads from a run folder, and what page and card show.

Files of a run are optional, so most entries may be empty or None.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NotRequired, TypedDict

from orchestrator.evaluation.comparison import Compared
from orchestrator.evaluation.numbers import Numbers
from orchestrator.results import CurveJson, TargetJson


class StageFacts(TypedDict):
    """A StageResult."""

    stage: str
    status: str
    reason: str
    seconds: float


class VerdictFacts(TypedDict):
    """A Verdict."""

    case: str
    check: str
    passed: bool | None
    question: str
    answer: str
    expected: str
    reason: str


class ProofFacts(TypedDict):
    """A Proof."""

    name: str
    holds: bool
    accepted: bool
    covered: str
    numbers: dict[str, float]
    detail: str
    hint: str
    not_covered: str


class TrialFacts(TypedDict, total=False):
    """A Trial of a sweep."""

    number: int
    settings: dict[str, object]
    run: str
    status: str
    score: float | None
    minutes: float | None
    sentence: str


class TrialsFacts(TypedDict, total=False):
    """trials.json."""

    trials: list[TrialFacts]
    best: int | None


class MetricFacts(TypedDict):
    """What a trainer measured beside the loss, as [step, value]."""

    name: str
    points: list[list[float]]


class TrainingFacts(TypedDict):
    """Curves of a training as [step, value]; `seconds` by LLaMA-Factory's clock, of the last process."""

    steps: int
    seconds: float | None
    losses: list[list[float]]
    validations: list[list[float]]
    rates: list[list[float]]
    metrics: list[MetricFacts]
    vram_allocated: list[list[float]]
    vram_reserved: list[list[float]]
    throughput: list[list[float]]
    not_finite: int
    summed: dict[str, float]


class SpreadFacts(TypedDict):
    """A distribution of lengths (datasets/distribution.py)."""

    count: int
    most: int
    percentiles: dict[str, int]


class SampledFacts(TypedDict):
    """The answers of a client that names no sampling value: how many passed, and what is required."""

    sampling: str
    required: float
    passed: int
    judged: int
    verdicts: list[VerdictFacts]


class CharacterFacts(TypedDict):
    """Characters of a row, a question and an answer."""

    row: SpreadFacts
    question: SpreadFacts
    answer: SpreadFacts


class DataFacts(TypedDict):
    """A prepared dataset; lengths and languages are of its first `counted` rows."""

    name: str
    part: str
    file: str
    rows: int
    counted: int
    answers: int
    characters: CharacterFacts
    languages: dict[str, int]
    tokens: SpreadFacts | None
    dropped: NotRequired[dict[str, int]]
    repairs: NotRequired[dict[str, int]]


class GpuFacts(TypedDict):
    """A GPU."""

    name: str


class HardwareFacts(TypedDict, total=False):
    """The machine."""

    profile: str
    machine: str
    cores: int
    memory_gb: float
    gpus: list[GpuFacts]


class BaseFacts(TypedDict):
    """The base model; "" for what is unknown."""

    asked_for: str
    name: str
    source: str
    revision: str
    licence: str


class CommandFacts(TypedDict):
    """A command of a stage, or its server's."""

    stage: str
    command: str
    server: bool


class Facts(TypedDict):
    """report.json."""

    schema: int
    run: str
    recipe: str
    headline: str
    language: str
    model: str
    stand_in: bool
    began: str
    ended: str
    runs: list[StageFacts]
    verdicts: list[VerdictFacts]
    paraphrases: list[VerdictFacts]
    base_verdicts: list[VerdictFacts]
    sampled: SampledFacts | None
    general: list[VerdictFacts]
    general_base: list[VerdictFacts]
    proofs: list[ProofFacts]
    not_proven: list[str]
    curve: CurveJson | None
    target: TargetJson | None
    trials: TrialsFacts | None
    training: TrainingFacts | None
    hardware: HardwareFacts
    network: Mapping[str, object]
    data: list[DataFacts]
    evaluations: dict[str, dict[str, Numbers]]
    comparison: Compared | None
    recipe_values: dict[str, Mapping[str, object]]
    data_files: dict[str, Mapping[str, str]]
    base: BaseFacts
    environments: dict[str, Mapping[str, object]]
    conch: Mapping[str, str]
    commands: list[CommandFacts]
    exported: bool
    call: dict[str, str]
