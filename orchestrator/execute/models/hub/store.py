"""Fetch a repository at a commit into CONCH_HOME, once: locked, verified, and only then under its name.

Covered: kill at any moment, two processes at once, a hub that sends something else than it lists. Where locks
do not hold (some network file systems), two machines work twice and one result stays.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.host.atomic_files import remove, sha256_file
from orchestrator.execute.host.paths import conch_home
from orchestrator.execute.models.hub import choice
from orchestrator.execute.models.hub.cache import ModelCache, check_disk, compare, drop_others, forget_torn
from orchestrator.execute.models.hub.child import STALL_TIMEOUT, HubChild
from orchestrator.execute.models.hub.library import python_for
from orchestrator.execute.models.hub.names import HubRequest, Listing, Progress, RemoteFile, human
from orchestrator.execute.models.model_folder import (
    MANIFEST,
    Manifest,
    model_problems,
    read_manifest,
    refuse_config,
    write_manifest,
)

SMALL = 20_000_000  # these come first, so that a model that is refused is refused before its weights come
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class _Order:
    """One fetch: what of which repository, onto which shelf, and what makes it whole."""

    request: HubRequest
    shelf: ModelCache
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
    """A model of a hub as a plain folder with a manifest. A pinned one that is here asks nothing of the hub.

    Args:
        repo: "OWNER/NAME".
        revision: a commit; or a branch or tag, which is resolved each time, "" for the default branch.
        hub: "huggingface" (or the mirror at HF_ENDPOINT) or "modelscope".
        progress: is given lines for the person who waits.
        hardware: whose train environment may lend modelscope, where ours has none.
        trust: take the repository's Python code and pickled weights, too.
        stall_timeout: seconds with next to nothing coming after which the hub counts as dead.

    Raises:
        UsageError: the name is none.
        MissingError: no such model or revision, no access, no network, no disk; or it is not whole.
        TimedOut: the hub stalls.
    """
    choice.check_repo(repo)
    order = _Order(
        request=HubRequest(hub, repo, "model", revision),
        shelf=ModelCache(conch_home() / "models"),
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
    """One data file of a data set on a hub; never a loading script. Arguments and errors as fetch_model's.

    A `filename` of "" stands for the one data file that the repository has; of several, for the one whose
    name says the `split`, which is train when it is "".
    """
    choice.check_repo(repo)
    if filename:
        choice.check_data_file(repo, filename)
    select = (
        partial(choice.data_file, repo=repo, filename=filename)
        if filename
        else partial(choice.sole_data_file, repo=repo, split=split)
    )
    wanted = filename or f"split {split}"
    order = _Order(
        request=HubRequest(hub, repo, "dataset", revision),
        shelf=ModelCache(conch_home() / "datasets"),
        suffix="-" + hashlib.sha256(wanted.encode()).hexdigest()[:8],
        select=select,
        refuse=lambda _: None,
        problems=lambda _: [],  # its hash has been compared
    )
    folder = _fetch(order, progress, hardware, stall_timeout)
    if filename:
        return folder / filename
    (name,) = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    progress(f"the data file of {repo}: {name}")
    return folder / str(name)


def _fetch(order: _Order, progress: Progress, hardware: str, stall_timeout: float) -> Path:
    try:
        return _fetch_once(order, progress, hardware, stall_timeout)
    except OSError as error:
        hint = "free space there, or set CONCH_HOME to a folder of yours"
        where = str(error.filename or order.shelf.folder)
        raise MissingError(Problem(f"cannot write: {error.strerror}", where=where, hint=hint)) from None


def _fetch_once(order: _Order, progress: Progress, hardware: str, stall_timeout: float) -> Path:
    request, shelf = order.request, order.shelf
    pinned = shelf.folder / order.slug(request.revision)
    if COMMIT.fullmatch(request.revision) and _is_ready(order, pinned):
        return pinned
    with HubChild(request, python_for(request.hub, hardware), stall_timeout=stall_timeout) as child:
        progress(f"asking {child.endpoint} for {request}")
        listing = child.listing()
        commit = listing.revision or choice.digest(listing)
        slug = order.slug(commit)
        with shelf.alone(slug, progress):
            place = shelf.folder / slug
            if _is_ready(order, place):
                return place
            if place.exists():
                progress(f"{place} is not whole any more; it goes to quarantine")
                shelf.quarantine(place)
            _download(order, child, Listing(commit, listing.files), progress)
            return place


def _download(order: _Order, child: HubChild, listing: Listing, progress: Progress) -> None:
    """Bring, prove, name."""
    files = order.select(listing)
    slug, repo = order.slug(listing.revision), order.request.repo
    folder = order.shelf.partial(slug)
    forget_torn(folder)
    check_disk(folder, files)
    total = human(sum(file.size for file in files))
    progress(f"fetching {repo}@{listing.revision[:12]} from {child.endpoint}: {len(files)} files, {total}")
    for batch in (
        [file for file in files if file.size < SMALL],
        [file for file in files if file.size >= SMALL],
    ):
        child.download(folder, batch, progress)
        order.refuse(folder)
    progress(f"checking {len(files)} files")
    hashes = _proven(order, folder, files)
    drop_others(folder, {file.path for file in files})
    problems = order.problems(folder)
    if problems:
        kept = order.shelf.quarantine(folder)
        raise MissingError(*problems, Problem("it is kept for a look", where=str(kept)))
    source = f"{order.request.hub}:{repo}"
    write_manifest(folder, Manifest(repo, source=source, revision=listing.revision, files=hashes))
    if not order.shelf.publish(slug):
        remove(folder)


def _proven(order: _Order, folder: Path, files: Sequence[RemoteFile]) -> dict[str, str]:
    """Path → "sha256:…" of every file, each equal to what the hub lists; a wrong one goes to quarantine."""
    hashes, problems = {}, []
    for file in files:
        found, wrong = compare(folder / file.path, file)
        hashes[file.path] = f"sha256:{found}"
        if not wrong:
            continue
        kept = f"; what came is kept at {order.shelf.quarantine(folder / file.path)}" if found else ""
        (folder / ".cache" / "huggingface" / "download" / f"{file.path}.metadata").unlink(missing_ok=True)
        hint = "type the same command again to fetch it anew; if it stays so, take another hub"
        problems.append(Problem(f"{wrong}{kept}", f"{order.request}/{file.path}", hint))
    if problems:
        raise MissingError(*problems)
    return hashes


def _is_ready(order: _Order, place: Path) -> bool:
    manifest = read_manifest(place)
    if manifest is None or not all(
        _is_as_it_came(place / name, hashed) for name, hashed in manifest.files.items()
    ):
        return False
    return not order.problems(place)


def _is_as_it_came(path: Path, hashed: str) -> bool:
    """Whether a small file has its hash still. A large one has to be there: order.problems looks into it."""
    return path.is_file() and (path.stat().st_size >= SMALL or sha256_file(path) == hashed)
