"""A copy of a model folder whose tokenizer every version of transformers reads rightly.

The copy's tokenizer_config.json says `tokenizer_class: PreTrainedTokenizerFast`: then the tokenizer is what
tokenizer.json says, and no class of transformers rebuilds it by its own rules (proofs/tokenizer.py tells of
the versions that do). Nothing in the original is changed: small files are copied, large ones are links.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.host.atomic_files import remove, sha256_file, write_durable
from orchestrator.execute.models.model_folder import MANIFEST, read_manifest, write_manifest
from orchestrator.execute.models.tokenizer_folder import CONFIG, TOKENIZER, read_object
from orchestrator.plan.stage import partial

CLASS = "PreTrainedTokenizerFast"
# Smaller ones are copied: an editor that writes into one must not change the original.
LINKED = 16 << 20

Link = Callable[[Path, Path], None]


def write_corrected_copy(source: Path, target: Path) -> None:
    """A corrected copy of `source` at `target`, which appears whole; weights are hard links where that works.

    Raises:
        UsageError: the target holds something already, or lies in the source; the source has no tokenizer
            that can be corrected. MissingError: it lacks a file, or the target cannot be written.
    """
    source, target = source.resolve(), target.absolute()
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise UsageError(
            Problem("there is something already", str(target), "name a folder that is not there")
        )
    if target.resolve().is_relative_to(source):
        raise UsageError(Problem("it lies inside the original", str(target), "name a folder outside it"))
    made = target.with_name(partial(target.name))
    try:
        remove(made)
        link_corrected(source, made, _linked_or_copied)
        if target.exists():
            target.rmdir()
        made.rename(target)
    except OSError as error:
        raise MissingError(Problem(f"cannot write the copy: {error.strerror}", str(target))) from None
    finally:
        with suppress(OSError):
            remove(made)


def link_corrected(source: Path, target: Path, link: Link) -> None:
    """Make the folder `target`: every file of `source` by `link`, and a corrected tokenizer_config.json.

    Args:
        source: a model or tokenizer folder; hidden files are left out.
        target: must not be there.
        link: link(file, place) puts one file of the source at its place.

    Raises:
        UsageError, MissingError: the source's tokenizer cannot be corrected.
    """
    if not (source / TOKENIZER).is_file():
        what = f"holds no {TOKENIZER}, which alone says what the tokens are: nothing to correct it by"
        raise UsageError(Problem(what, str(source), "save the tokenizer as tokenizer.json first"))
    config = read_object(source / CONFIG) | {"tokenizer_class": CLASS}
    target.mkdir(parents=True)
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if path.is_dir() or any(part.startswith(".") for part in name.parts) or name.as_posix() == CONFIG:
            continue
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if name.as_posix() == MANIFEST:
            shutil.copyfile(path, place)
        else:
            link(path.resolve(), place)
    write_durable(target / CONFIG, json.dumps(config, ensure_ascii=False, indent=2) + "\n")
    manifest = read_manifest(target)
    if manifest is not None:
        files = {**manifest.files, CONFIG: sha256_file(target / CONFIG)}
        write_manifest(target, replace(manifest, files=files))


def _linked_or_copied(path: Path, place: Path) -> None:
    if path.stat().st_size < LINKED:
        shutil.copyfile(path, place)
        return
    try:
        place.hardlink_to(path)
    except OSError:  # another file system
        place.symlink_to(path)
