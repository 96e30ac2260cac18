"""From a request for a fine-tuning job to a recipe in recipes/studio/, of which the job is a run.

    auto      what `conch data add` writes: epochs by its rule, the learning rate and batch of the hardware
    n_epochs  passes over the rows; the multiplier is applied to the learning rate of the hardware
    batch     examples in one step: batches of at most the hardware's size, accumulated

The recipe extends one in recipes/ that names the same base model, and takes its template from there. It asks
taught questions (of conversations only); what is held out of the training is only measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from orchestrator.datasets.base import SFT
from orchestrator.errors import ConchError
from orchestrator.execute.data.data_file import DataOptions
from orchestrator.execute.data.importer import scaffold, trained_part
from orchestrator.execute.data.scan import scan
from orchestrator.execute.host.atomic_files import remove, write_durable
from orchestrator.execute.project import discovery, recipes
from orchestrator.hubs.recipe import recipe_of
from orchestrator.plan.kinds import KINDS
from orchestrator.plan.plan import RUN, TRAIN
from orchestrator.recipe import Recipe, RecipeSource, compose
from orchestrator.recipe.hardware import PROFILES

# A request can name no second model, which PPO needs, and a model that scores gives no answers.
METHODS: Mapping[str, str] = {
    "supervised" if name == "sft" else name: name
    for name, kind in KINDS.items()
    if not kind.scores and name != "ppo"
}
AUTO = "auto"
# The share of the taught questions that must be answered: a small base may miss some of many rows, while a
# training that went wrong answers next to none.
TAUGHT = 0.8
# Preferences move a model that can answer already: a tenth of the rate, and few passes.
PREFERENCE_RATE, OTHER_EPOCHS = 0.1, 3
_CUDA = "cuda"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What a job is made of, its names resolved.

    Attributes:
        name: of the job, its recipe and its runs. served: the name of the tuned model.
        base: the base model as a recipe names it. extends: the recipe that has its template.
        kind: of training. purpose: of the rows.
        training: the id of a file. path: its content. validation: the id of a file, "" for none.
        epochs, batch_size, rate_multiplier, beta: a number, or "auto".
        seed: of the training.
    """

    name: str
    served: str
    base: str
    extends: str
    kind: str
    purpose: str
    training: str
    path: Path
    validation: str = ""
    epochs: float | str = AUTO
    batch_size: int | str = AUTO
    rate_multiplier: float | str = AUTO
    beta: float | str = AUTO
    seed: int = 42

    @property
    def has_preferences(self) -> bool:
        """Whether it learns from a loss of preferences with a beta."""
        return "beta" in KINDS[self.kind].preference


def write_recipe(project: Path, request: JobRequest) -> tuple[dict[str, object], tuple[str, ...]]:
    """Write the job's recipe, checked to its last key.

    Returns:
        the hyperparameters as they are trained, and the stages of the run.

    Raises:
        ConchError: the rows do not fit the kind, or the recipe is not valid; nothing is left.
    """
    path = recipe_path(project, request.name)
    chain = recipes.load_chain(recipes.find(request.extends, project), project)
    own = _own(request, {profile: compose(chain, profile=profile).recipe for profile in PROFILES})
    settings = _composed(own, chain)
    rule = _by_rule(request, chain, settings) if request.purpose == SFT else {}
    for profile in PROFILES:
        train = _train(request, settings[profile], _taken(rule, "hardware", profile, "train"))
        rule = _merged(rule, {"hardware": {profile: {"train": train}}})
    text = yaml.safe_dump(_merged(own, rule), allow_unicode=True, sort_keys=False)
    write_durable(path, _header(request) + text, mode=0o600)
    try:
        job = discovery.read_job(str(path), project=project)
    except ConchError:
        remove(path)
        raise
    chosen: dict[str, object] = {
        "n_epochs": job.recipe.train.epochs,
        "batch_size": job.recipe.train.batch_size * job.recipe.train.gradient_accumulation,
        "learning_rate_multiplier": 1.0 if request.rate_multiplier == AUTO else request.rate_multiplier,
    }
    if request.has_preferences:
        chosen["beta"] = job.recipe.preference.beta
    return chosen, RUN if job.cases and "ask" not in job.kind.omitted_stages else TRAIN


def recipe_path(project: Path, name: str) -> Path:
    """The file of a job's recipe."""
    return project / recipes.STUDIO / f"{name}{recipes.SUFFIX}"


def _header(request: JobRequest) -> str:
    return (
        "# yaml-language-server: $schema=../recipe.schema.json\n"
        f"# {request.served}, a job of conch studio.\n#\n"
        f"#   conch run {request.name}\n#   conch plan {request.name}\n\n"
    )


def _own(request: JobRequest, settings: Mapping[str, Recipe]) -> dict[str, object]:
    """What the request says, whatever the rows are; `settings`: the extended recipe on each profile."""
    model = {"base": request.base}
    other = [one for one in PROFILES if settings[one].model.base != request.base]
    own: dict[str, object] = {"extends": request.extends}
    if recipe_of(request.base):
        own["model"] = model
    elif other:
        own["hardware"] = {profile: {"model": model} for profile in other}
    validation = [request.validation] if request.validation else []
    return own | {
        "data": {
            "dataset": request.training,
            "validation": validation,
            "test": [],
            "validation_share": 0,
            "split": None,
        },
        "train": {"kind": request.kind, "seed": request.seed, "max_steps": None},
        **({"preference": {"beta": request.beta}} if request.beta != AUTO else {}),
        "serve": {"model": request.served},
        "verify": {"base": False, "checks": []},
        "evaluate": {"split": "none", "general": False},
        "target": {"checks": TAUGHT if request.purpose == SFT else None, "regression": None},
    }


def _by_rule(
    request: JobRequest, chain: Sequence[RecipeSource], settings: Mapping[str, Recipe]
) -> Mapping[str, object]:
    """The questions that are asked, and the length of the training, as `conch data add` writes them."""
    found = scan(request.path, request.training, DataOptions(), trained=trained_part(settings[_CUDA]))
    text = scaffold(request.name, request.extends, chain, settings, found)
    written: dict[str, object] = yaml.safe_load(text)
    return {key: value for key, value in written.items() if key not in {"extends", "data"}}


def _train(request: JobRequest, settings: Recipe, rule: Mapping[str, object]) -> dict[str, object]:
    """The hyperparameters on one profile; `rule`: what `conch data add` sets there."""
    train = settings.train
    chosen: dict[str, object] = {"max_steps": None, **rule}
    if request.epochs != AUTO:
        chosen |= {"epochs": request.epochs, "max_steps": None}
    elif request.purpose != SFT:
        chosen["epochs"] = OTHER_EPOCHS
    if request.rate_multiplier != AUTO or request.has_preferences:
        multiplier = 1.0 if request.rate_multiplier == AUTO else float(request.rate_multiplier)
        slower = PREFERENCE_RATE if request.has_preferences else 1.0
        chosen["learning_rate"] = min(1.0, train.learning_rate * multiplier * slower)
    if request.batch_size != AUTO:
        whole = int(request.batch_size)
        size = next(one for one in range(min(train.batch_size, whole), 0, -1) if whole % one == 0)
        chosen |= {"batch_size": size, "gradient_accumulation": whole // size}
    return chosen


def _composed(values: Mapping[str, object], chain: Sequence[RecipeSource]) -> dict[str, Recipe]:
    """A recipe on each profile."""
    source = RecipeSource("recipes/studio/job.yaml", yaml.safe_dump(dict(values), allow_unicode=True))
    return {profile: compose([source, *chain], profile=profile).recipe for profile in PROFILES}


def _taken(tree: Mapping[str, object], *keys: str) -> Mapping[str, object]:
    """A mapping within mappings; empty where there is none."""
    found: object = tree
    for key in keys:
        found = found.get(key, {}) if isinstance(found, Mapping) else {}
    return found if isinstance(found, Mapping) else {}


def _merged(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """Two trees, the second one on top.

    >>> _merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}, "d": 4})
    {'a': {'b': 1, 'c': 3}, 'd': 4}
    """
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = (
            _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
        )
    return merged
