"""Fetch a repository at a commit into CONCH_HOME, once: locked, verified, then renamed into place.

Covered: a kill at any moment, two processes at once, a hub that sends other files than it lists. Where
file locks do not work (some network file systems), two machines both download and one result is kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from orchestrator.errors import MissingError, Problem, UsageError, did_you_mean
from orchestrator.execute.host.atomic_files import remove, sha256_file
from orchestrator.execute.host.paths import conch_home
from orchestrator.execute.models.hub import choice
from orchestrator.execute.models.hub.cache import ModelCache, check_disk, compare, drop_others, forget_torn
from orchestrator.execute.models.hub.child import STALL_TIMEOUT, HubChild, python_for
from orchestrator.execute.models.hub.protocol import HubRequest, Listing, Progress, RemoteFile, human
from orchestrator.execute.models.model_folder import (
    MANIFEST,
    Manifest,
    model_problems,
    read_manifest,
    refuse_config,
    write_manifest,
)
from orchestrator.hubs import REMOTE, Hub

SMALL = 20_000_000  # these come first, so that a model is rejected before its weights are downloaded
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class _Order:
    """One fetch: the repository, its cache, which files to take and what makes them complete."""

    request: HubRequest
    cache: ModelCache
    suffix: str
    select: Callable[[Listing], list[RemoteFile]]
    refuse: Callable[[Path], None]
    problems: Callable[[Path], list[Problem]]

    def slug(self, commit: str) -> str:
        return f"{self.request.repo.replace('/', '--')}-{commit[:12]}{self.suffix}"


def fetch_model(
    repo: str,
    revision: str,
    hub: str,
    progress: Progress,
    *,
    hardware: str = "auto",
    trust: bool = False,
    stall_timeout: float = STALL_TIMEOUT,
) -> Path:
    """A model of a hub as a plain folder with a manifest. A cached commit needs no request to the hub.

    A `revision` that is a branch or tag is resolved each time; "" means the default branch. `hardware`
    selects the train environment, whose libraries are used where Conch's own lacks them. `trust` also takes
    Python code and pickled weights.
    """
    choice.check_repo(repo, revision)
    order = _Order(
        request=HubRequest(_hub(hub), repo, "model", revision),
        cache=ModelCache(conch_home() / "models"),
        suffix="-trusted" if trust else "",
        select=partial(choice.model_files, repo=repo, trust=trust),
        refuse=partial(refuse_config, trust=trust),
        problems=partial(model_problems, trust=trust),
    )
    return _fetch(order, progress, hardware, stall_timeout)


def fetch_dataset_file(
    repo: str,
    filename: str,
    revision: str,
    hub: str,
    progress: Progress,
    *,
    split: str = "",
    hardware: str = "auto",
    stall_timeout: float = STALL_TIMEOUT,
) -> Path:
    """One data file of a dataset on a hub, never a loading script. Arguments and errors as in fetch_model.

    A `filename` of "" means the repository's only data file or, of several, the one named after the `split`
    ("" for train).
    """
    choice.check_repo(repo, revision)
    if filename:
        choice.check_data_file(repo, filename)
    select = (
        partial(choice.data_file, repo=repo, filename=filename)
        if filename
        else partial(choice.sole_data_file, repo=repo, split=split)
    )
    selection = filename or f"split {split}"
    order = _Order(
        request=HubRequest(_hub(hub), repo, "dataset", revision),
        cache=ModelCache(conch_home() / "datasets"),
        suffix="-" + hashlib.sha256(selection.encode()).hexdigest()[:8],
        select=select,
        refuse=lambda _: None,
        problems=lambda _: [],  # its hash was compared
    )
    folder = _fetch(order, progress, hardware, stall_timeout)
    if filename:
        return folder / filename
    (name,) = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    progress(f"the data file of {repo}: {name}")
    return folder / str(name)


def _hub(name: str) -> Hub:
    if name not in REMOTE:
        what = f"no hub {name!r}{did_you_mean(name, REMOTE)}"
        raise UsageError(Problem(what, hint=f"model.hub is one of {', '.join(REMOTE)}"))
    return REMOTE[name]


def _fetch(order: _Order, progress: Progress, hardware: str, stall_timeout: float) -> Path:
    try:
        return _fetch_once(order, progress, hardware, stall_timeout)
    except OSError as error:
        hint = "free space there, or set CONCH_HOME to another folder"
        where = str(error.filename or order.cache.folder)
        raise MissingError(Problem(f"cannot write: {error.strerror}", where=where, hint=hint)) from None


def _fetch_once(order: _Order, progress: Progress, hardware: str, stall_timeout: float) -> Path:
    request, cache = order.request, order.cache
    pinned = cache.folder / order.slug(request.revision)
    if COMMIT.fullmatch(request.revision) and _is_ready(order, pinned):
        return pinned
    with HubChild(request, python_for(request.hub, hardware), stall_timeout=stall_timeout) as child:
        progress(f"listing {request} at {child.address}")
        listing = child.listing()
        commit = listing.revision or choice.digest(listing)
        slug = order.slug(commit)
        with cache.exclusive(slug, progress):
            folder = cache.folder / slug
            if _is_ready(order, folder):
                return folder
            if folder.exists():
                progress(f"{folder} is damaged; moving it to quarantine")
                cache.quarantine(folder)
            _download(order, child, Listing(commit, listing.files), progress)
            return folder


def _download(order: _Order, child: HubChild, listing: Listing, progress: Progress) -> None:
    """Download, verify, rename."""
    files = order.select(listing)
    slug, repo = order.slug(listing.revision), order.request.repo
    folder = order.cache.partial(slug)
    forget_torn(folder)
    check_disk(folder, files)
    total = human(sum(file.size for file in files))
    progress(f"fetching {repo}@{listing.revision[:12]} from {child.address}: {len(files)} files, {total}")
    for batch in (
        [file for file in files if file.size < SMALL],
        [file for file in files if file.size >= SMALL],
    ):
        child.download(folder, batch, progress)
        order.refuse(folder)
    progress(f"verifying {len(files)} files")
    hashes = _verified(order, folder, files)
    drop_others(folder, {file.path for file in files})
    problems = order.problems(folder)
    if problems:
        quarantined = order.cache.quarantine(folder)
        raise MissingError(*problems, Problem("the download is kept here", where=str(quarantined)))
    source = f"{order.request.hub.name}:{repo}"
    write_manifest(folder, Manifest(repo, source=source, revision=listing.revision, files=hashes))
    if not order.cache.publish(slug):
        remove(folder)


def _verified(order: _Order, folder: Path, files: Sequence[RemoteFile]) -> dict[str, str]:
    """Path → "sha256:…" of every file, each as the hub lists it; one that differs goes to quarantine."""
    hashes, problems = {}, []
    for file in files:
        found, wrong = compare(folder / file.path, file)
        hashes[file.path] = f"sha256:{found}"
        if not wrong:
            continue
        copy = f"; the file is kept at {order.cache.quarantine(folder / file.path)}" if found else ""
        (folder / ".cache" / "huggingface" / "download" / f"{file.path}.metadata").unlink(missing_ok=True)
        hint = "run the same command again to download it anew; if it fails again, use another hub"
        problems.append(Problem(f"{wrong}{copy}", f"{order.request}/{file.path}", hint))
    if problems:
        raise MissingError(*problems)
    return hashes


def _is_ready(order: _Order, folder: Path) -> bool:
    """Whether small files still have their hashes and large ones exist; order.problems checks those."""
    manifest = read_manifest(folder)
    if manifest is None:
        return False
    for name, hashed in manifest.files.items():
        path = folder / name
        if not path.is_file() or (path.stat().st_size < SMALL and sha256_file(path) != hashed):
            return False
    return not order.problems(folder)
