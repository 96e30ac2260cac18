"""Job: a recipe with every name resolved. Context: what exists on this machine and in the project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.checks.base import Case, DatasetCase
from orchestrator.datasets.entry import DatasetEntry
from orchestrator.datasets.split import PARTS, TRAIN, part_name
from orchestrator.hubs.recipe import LINK
from orchestrator.plan.kinds import KINDS, TRAINED_IN
from orchestrator.plan.kinds.base import TrainingKind
from orchestrator.plan.stage import Runtime
from orchestrator.recipe import Recipe
from orchestrator.recipe.hardware import PROFILES
from orchestrator.templates.families import layouts
from orchestrator.templates.pairing import ChatTemplate

EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Dependency:
    """A recipe whose export another one is built on.

    Attributes:
        key: the dotted key that names it.
        link: in the run's folder, to the export.
        job: the recipe. state: the identity of its export.
    """

    key: str
    link: str
    job: Job
    state: str


@dataclass(frozen=True, slots=True)
class Context:
    """What execute/ reads before anything is planned.

    Attributes:
        hardware: the profile, "cpu" or "cuda".
        templates: every pairing in chat_templates/, by name.
        datasets: every entry in dataset_info/, by name.
        paraphrases: the held-out questions of each dataset that has some: {"ask", "expect", "of"} rows.
        lockfiles: environment ("train", "serve") → hash of its lockfile.
        base_folder: symbol or path of a local base model; "" if the base comes from a hub.
        base_state: for a local base model, a value that changes with its files; for the model that another
            recipe exports, the identity of that export.
        base_job: the recipe whose export is the base; None for any other base.
        reward: the recipe whose reward model scores answers; None for a kind that needs none.
    """

    hardware: str
    templates: Mapping[str, ChatTemplate] = field(default_factory=dict)
    datasets: Mapping[str, DatasetEntry] = field(default_factory=dict)
    paraphrases: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    lockfiles: Mapping[str, str] = field(default_factory=dict)
    base_folder: str = ""
    base_state: str = ""
    base_job: Job | None = None
    reward: Dependency | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A recipe with what each of its names stands for on this hardware.

    Attributes:
        template: the pairing that reproduces the recipe's training tokens.
        chat_template: the jinja template that is served and proven; by default the pairing's.
        cases: the recipe's checks. paraphrases: held-out questions of the datasets, unless the recipe
            switches them off.
        accept_mismatch: the user accepts proofs that do not hold.
        validation, test: separate datasets, on which the loss is measured, and that are only prepared.
        origins: dotted key of every value of the recipe → "recipes/x.yaml:14:3", "--set …", "default".
    """

    recipe: Recipe
    hardware: str
    template: ChatTemplate
    datasets: tuple[DatasetEntry, ...]
    lockfiles: Mapping[str, str]
    chat_template: str
    cases: tuple[Case | DatasetCase, ...] = ()
    paraphrases: tuple[Case, ...] = ()
    base_folder: str = ""
    base_state: str = ""
    base_job: Job | None = None
    reward: Dependency | None = None
    accept_mismatch: bool = False
    validation: tuple[DatasetEntry, ...] = ()
    test: tuple[DatasetEntry, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> TrainingKind:
        """The kind of training."""
        return KINDS[self.recipe.train.kind]

    @property
    def trainer(self) -> Runtime:
        """The environment that trains, and encodes and scores rows as the trainer does."""
        return TRAINED_IN.get(self.recipe.train.kind, Runtime.TRAIN)

    @property
    def adapter(self) -> str:
        """The folder of what training made and the rest of a run uses: an adapter, or the trained model."""
        # LLaMA-Factory leaves PiSSA's own adapter above it; at every load its base is another, random one.
        return "adapter/pissa_converted" if self.recipe.train.pissa else "adapter"

    @property
    def all_datasets(self) -> tuple[DatasetEntry, ...]:
        """Every dataset that is prepared: trained, for validation, for test."""
        return (*self.datasets, *self.validation, *self.test)

    @property
    def tools(self) -> bool:
        """Whether the model, or one that it is built on, was trained with tools."""
        return any("tools" in entry.columns for job in self.chain for entry in job.datasets)

    @property
    def tool_parser(self) -> str | None:
        """The engine's parser of the calls that were trained; None without tools."""
        layout = layouts().get(self.recipe.template.name)
        return layout.tools.parser if self.tools and layout else None

    @property
    def prepared(self) -> tuple[str, ...]:
        """Every file of rows that prepare writes, in the order in which it writes them."""
        parts = [part for part in PARTS if part == TRAIN or part in self.recipe.data.parts]
        split = (part_name(entry.name, part) for entry in self.datasets for part in parts)
        return (*(entry.name for entry in (*self.test, *self.validation)), *split)

    def names_of(self, part: str) -> tuple[str, ...]:
        """The prepared datasets that make up a part: those split off, and those given for it."""
        given = {TRAIN: (), "validation": self.validation, "test": self.test}[part]
        split = self.datasets if part == TRAIN or part in self.recipe.data.parts else ()
        return (*(part_name(entry.name, part) for entry in split), *(entry.name for entry in given))

    @property
    def stand_in(self) -> bool:
        """Whether the base is the small embedded model that only stands in for the real one."""
        return self.chain[-1].recipe.model.base == EMBEDDED

    @property
    def chain(self) -> tuple[Job, ...]:
        """This job, the one whose export it is built on, and so on."""
        return (self, *(self.base_job.chain if self.base_job else ()))

    @property
    def dependencies(self) -> tuple[Dependency, ...]:
        """The recipes whose exports this one is built on, which come first."""
        base = (Dependency("model.base", LINK, self.base_job, self.base_state),) if self.base_job else ()
        return (*base, *((self.reward,) if self.reward else ()))

    @property
    def first(self) -> tuple[str, ...]:
        """The recipes that come before this one, in their order."""
        jobs = [dependency.job for dependency in self.dependencies]
        names = [name for job in jobs for name in (*job.first, job.recipe.name)]
        return tuple(dict.fromkeys(names))

    @property
    def asks_general(self) -> bool:
        """Whether the tuned model and the base are asked questions of general knowledge."""
        return self.recipe.evaluate.general or self.recipe.target.regression is not None

    @property
    def checkpoint_steps(self) -> float:
        """As train.checkpoint_steps; 0 where the kind of training cannot resume."""
        return self.recipe.train.checkpoint_steps if self.kind.resumes else 0

    @property
    def compute_type(self) -> str:
        """fp32, bf16 or fp16; "auto" is the hardware profile's."""
        chosen = self.recipe.train.compute_type
        return PROFILES[self.hardware].compute_type if chosen == "auto" else chosen

    @property
    def dtype(self) -> str:
        """The compute type under the name that both engines know it by: float32, bfloat16 or float16."""
        return {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}[self.compute_type]

    @property
    def reasoning_parser(self) -> str | None:
        """The name given to vLLM, or None: the recipe's, or the one its template is paired with."""
        if self.kind.scores:
            return None
        wanted = self.recipe.serve.reasoning_parser
        if wanted == "auto":
            return self.template.reasoning_parser
        return None if wanted == "none" else wanted
