"""Where names become paths below runs/: names have their pattern, no part is a link, folders are private.

A path that was checked may be changed afterwards, but only by those who may write to runs/. Deleting does not
rely on the check: it works in folders that it opened without following a link.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.backends.symptoms import visible
from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.recipe import NAME_PATTERN

RUNS = "runs"
_RECIPE = re.compile(NAME_PATTERN.removesuffix("$"))
_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}", re.ASCII)
_STAGE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_REMOVED = ".removed-"


def parts_of(name: str) -> tuple[str, str]:
    """RECIPE/ID or RECIPE → (RECIPE, ID or "").

    Raises:
        UsageError: it is neither.
    """
    recipe, slash, number = name.partition("/")
    if not _RECIPE.fullmatch(recipe) or bool(slash) is not bool(_ID.fullmatch(number)):
        what = f'"{visible(name)}" is not the name of a run: RECIPE/ID, or RECIPE for its latest run'
        raise UsageError(Problem(what, hint="conch runs ls"))
    return recipe, number


def stage_name(name: str) -> str:
    """The name of a stage or server, as it begins a log's name.

    Raises:
        UsageError: no stage can have it.
    """
    if not _STAGE.fullmatch(name):
        raise UsageError(Problem(f'"{visible(name)}" is not the name of a stage or server', "--stage"))
    return name


def runs_path(project: Path, *names: str) -> Path:
    """The path of runs/NAMES, which may not exist.

    Raises:
        UsageError: it leads through a link.
    """
    path = project
    for name in (RUNS, *names):
        if name in {"", ".", ".."} or "/" in name:
            raise UsageError(Problem(f'"{visible(name)}" names nothing below runs/', str(path)))
        path /= name
        if path.is_symlink():
            what = "is a link: Conch follows no links below runs/"
            raise UsageError(Problem(what, str(path), "replace it by the folder itself, or by a mount"))
    return path


def make_private(project: Path, *names: str) -> Path:
    """The folder runs/NAMES, made if needed; what is made, only this user can enter, whatever the umask.

    Raises:
        UsageError: it leads through a link. MissingError: it cannot be made.
    """
    folder = runs_path(project, *names)
    path = project
    try:
        for name in (RUNS, *names):
            path /= name
            try:
                path.mkdir(mode=0o700)
                path.chmod(0o700)
            except FileExistsError:
                if not path.is_dir():
                    raise
    except OSError as error:
        raise MissingError(Problem(f"cannot make the folder: {error.strerror}", str(path))) from None
    return folder


def recipes_of(project: Path) -> list[str]:
    """The recipes that have a folder of runs, sorted."""
    return sorted(name for name in _folders(runs_path(project)) if _RECIPE.fullmatch(name))


def ids_of(project: Path, recipe: str) -> list[str]:
    """The ids of a recipe's runs, the oldest first.

    Raises:
        UsageError: that is not the name of a recipe, or its folder is a link.
    """
    folder = runs_path(project, parts_of(recipe)[0])
    return sorted(name for name in _folders(folder) if _ID.fullmatch(name))


def delete_run(project: Path, recipe: str, number: str) -> None:
    """Delete a run's folder. Links in it are removed, their targets never, even if one appears meanwhile.

    Raises:
        OSError: it cannot be deleted.
    """
    with _opened(project / RUNS) as runs, _opened(Path(recipe), runs) as folder:
        # Renamed first, so that a partly deleted run is never taken for a run.
        os.rename(number, _REMOVED + number, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
        for name in os.listdir(folder):  # noqa: PTH208  of a descriptor
            if name.startswith(_REMOVED):
                _delete(name, folder)


def _delete(name: str, folder: int) -> None:
    if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=folder)
        return
    try:
        shutil.rmtree(name, dir_fd=folder)
    except PermissionError:  # packages ship read-only folders
        for _, _, _, inner in os.fwalk(name, dir_fd=folder):
            os.fchmod(inner, 0o700)
        shutil.rmtree(name, dir_fd=folder)


@contextmanager
def _opened(path: Path, inside: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=inside)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _folders(folder: Path) -> list[str]:
    """The names of the folders in a folder, without links to folders."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
