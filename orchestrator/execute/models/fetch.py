"""fetch: the base model and the data files of hubs, as plain folders linked at inputs/."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.host.atomic_files import remove, sha256_file, write_durable
from orchestrator.execute.host.tell import tell
from orchestrator.execute.models import demo_model
from orchestrator.execute.models.fix_tokenizer import link_corrected
from orchestrator.execute.models.hub import fetch_dataset_file, fetch_model
from orchestrator.execute.models.model_folder import (
    MANIFEST,
    Manifest,
    check_complete,
    hash_files,
    read_sampling,
    tensors_of,
)
from orchestrator.execute.models.older_folder import write_older
from orchestrator.execute.models.reward_head import VALUE_HEAD
from orchestrator.execute.models.tokenizer_folder import CONFIG
from orchestrator.hubs import embedded, hub_of, local, recipe
from orchestrator.hubs.recipe import LINK, REWARD_LINK
from orchestrator.plan.stage import partial
from orchestrator.plan.stages.fetch import FetchSettings

Progress = Callable[[str], None]


def fetch(settings: FetchSettings, folder: Path) -> int:
    """Make inputs.partial-0 with base (a link), base.json (its manifest) and data/NAME (links)."""
    inputs = folder / partial("inputs")
    remove(inputs)
    hardware = settings.hardware
    base, manifest = find_base(
        settings.base, settings.hub, settings.revision, tell, hardware=hardware, run=folder
    )
    files = {
        one.name: fetch_dataset_file(
            one.repo, one.file, one.revision, one.hub, tell, split=one.split, hardware=hardware
        )
        for one in settings.datasets
    }
    (inputs / "data").mkdir(parents=True)
    if settings.tokenizer == "corrected":
        link_corrected(inputs / base, inputs / "base", lambda path, link: link.symlink_to(path))
        original = Manifest(**json.loads(manifest))
        config = sha256_file(inputs / "base" / CONFIG)
        manifest = replace(original, files={**original.files, CONFIG: config}).to_json()
    else:
        (inputs / "base").symlink_to(base, target_is_directory=True)
    if settings.untied:
        _refuse_tied(inputs / "base", settings.base)
    # A value that no engine serves is told now, not after the training.
    read_sampling(inputs / "base", settings.sampling)
    write_durable(inputs / "base.json", manifest)
    if settings.reward:
        _link_reward(inputs, folder)
    if settings.older:
        for name in ("base", *(("reward",) if settings.reward else ())):
            write_older(inputs / name, inputs / Path(settings.older).name / name)
    for name, path in files.items():
        (inputs / "data" / name).symlink_to(path)
    return 0


def _link_reward(inputs: Path, folder: Path) -> None:
    """The export of a reward model, which the runner linked in the run's folder, at inputs/reward."""
    export = folder / REWARD_LINK
    check_complete(export)
    if not (export / VALUE_HEAD).is_file():
        what = "has no value head: LLaMA-Factory would give the answers random scores, without a word"
        raise MissingError(Problem(what, str(export), "export the reward model again: conch sft RECIPE"))
    (inputs / "reward").symlink_to(Path("..") / REWARD_LINK, target_is_directory=True)
    manifest = Manifest(name="reward", source=recipe.hub.name, files=hash_files(export, tell))
    write_durable(inputs / "reward.json", manifest.to_json())


def _refuse_tied(base: Path, name: str) -> None:
    """Raise UsageError for a base whose input and output embeddings are one tensor."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    if config.get("tie_word_embeddings", "lm_head.weight" not in tensors_of(base)):
        what = f"{name} ties its embeddings: LLaMA-Factory 0.9.5 trains it, and fails as it saves it"
        raise UsageError(Problem(what, "train.method", "set train.method: lora"))


def find_base(
    base: str,
    hub: str,
    revision: str | None,
    progress: Progress,
    *,
    hardware: str = "auto",
    run: Path = Path(),
) -> tuple[Path, str]:
    """The base model's folder on this machine, fetched if needed, and the text of its manifest.

    A `revision` of None means the newest commit; `hardware` selects the train environment, whose libraries
    may be needed. `run`: the folder of the run, where another recipe's export is linked.
    """
    source = hub_of(base, hub)
    fetcher = FETCHERS.get(source.name) or _remote_model
    return fetcher(BaseRequest(base, source.name, revision or "", hardware, run), progress)


@dataclass(frozen=True, slots=True)
class BaseRequest:
    """A base model to fetch; see find_base."""

    base: str
    hub: str
    revision: str
    hardware: str
    run: Path


def _remote_model(request: BaseRequest, progress: Progress) -> tuple[Path, str]:
    folder = fetch_model(request.base, request.revision, request.hub, progress, hardware=request.hardware)
    return folder, (folder / MANIFEST).read_text(encoding="utf-8")


def _embedded_model(request: BaseRequest, progress: Progress) -> tuple[Path, str]:
    folder = demo_model.ensure_embedded(progress, request.hardware)
    return folder, (folder / MANIFEST).read_text(encoding="utf-8")


def _local_model(request: BaseRequest, progress: Progress) -> tuple[Path, str]:
    """A model folder of the user's, checked; nothing is ever written into it."""
    folder = Path(request.base).expanduser().absolute()
    check_complete(folder)
    files = hash_files(folder, progress)
    return folder, Manifest(name=folder.name, source=request.hub, files=files).to_json()


def _exported_model(request: BaseRequest, progress: Progress) -> tuple[Path, str]:
    """The export of another recipe, which the runner linked in the run's folder.

    The link at inputs/base is relative, so that later stages have the same cache key in every run that is
    built on the same export; the manifest has the hashes of its content.
    """
    check_complete(request.run / LINK)
    files = hash_files(request.run / LINK, progress)
    return Path("..") / LINK, Manifest(name=request.base, source=request.hub, files=files).to_json()


# The hubs from which a base does not come by a download; (request, progress) → folder and manifest text.
FETCHERS: dict[str, Callable[[BaseRequest, Progress], tuple[Path, str]]] = {
    local.hub.name: _local_model,
    embedded.hub.name: _embedded_model,
    recipe.hub.name: _exported_model,
}
