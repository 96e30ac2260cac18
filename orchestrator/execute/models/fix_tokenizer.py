"""A copy of a model folder whose tokenizer every version of transformers reads correctly.

The copy's tokenizer_config.json says `tokenizer_class: PreTrainedTokenizerFast`, so that the tokenizer is the
one in tokenizer.json and no class of transformers rebuilds it by its own rules (proofs/tokenizer.py lists the
versions that do). The original does not change: small files are copied, large ones are links.
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
# Smaller files are copied: an editor that writes into one must not change the original.
LINKED = 16 << 20

Link = Callable[[Path, Path], None]


def write_corrected_copy(source: Path, target: Path) -> None:
    """Make a corrected copy of `source`, which appears complete; weights are hard links if possible."""
    source, target = source.resolve(), target.absolute()
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise UsageError(Problem("already exists", str(target), "name a folder that does not exist"))
    if target.resolve().is_relative_to(source):
        raise UsageError(Problem("is inside the original", str(target), "name a folder outside it"))
    temporary = target.with_name(partial(target.name))
    try:
        remove(temporary)
        link_corrected(source, temporary, _link_or_copy)
        if target.exists():
            target.rmdir()
        temporary.rename(target)
    except OSError as error:
        raise MissingError(Problem(f"cannot write the copy: {error.strerror}", str(target))) from None
    finally:
        with suppress(OSError):
            remove(temporary)


def link_corrected(source: Path, target: Path, link: Link) -> None:
    """Create the folder `target` with every file of `source`, and a corrected tokenizer_config.json.

    link(file, path) puts a file of the source at a path of the target. Hidden files are left out.
    """
    if not (source / TOKENIZER).is_file():
        what = f"has no {TOKENIZER}, which defines the tokens"
        raise UsageError(Problem(what, str(source), "save the tokenizer as tokenizer.json first"))
    config = read_object(source / CONFIG) | {"tokenizer_class": CLASS}
    target.mkdir(parents=True)
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if path.is_dir() or any(part.startswith(".") for part in name.parts) or name.as_posix() == CONFIG:
            continue
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if name.as_posix() == MANIFEST:
            shutil.copyfile(path, copy)
        else:
            link(path.resolve(), copy)
    write_durable(target / CONFIG, json.dumps(config, ensure_ascii=False, indent=2) + "\n")
    manifest = read_manifest(target)
    if manifest is not None:
        files = {**manifest.files, CONFIG: sha256_file(target / CONFIG)}
        write_manifest(target, replace(manifest, files=files))


def _link_or_copy(path: Path, copy: Path) -> None:
    if path.stat().st_size < LINKED:
        shutil.copyfile(path, copy)
        return
    try:
        copy.hardlink_to(path)
    except OSError:  # another file system
        copy.symlink_to(path)
