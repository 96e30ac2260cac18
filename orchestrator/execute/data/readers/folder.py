"""Which files of a folder hold its rows: what `datasets` saved, or plain data files of one kind."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.data.readers.packed import is_about

SAVED = "state.json"
SPLITS = "dataset_dict.json"
SHOWN = 5


def files_of(folder: Path, shown: str, split: str, kinds: dict[str, str], notes: list[str]) -> list[Path]:
    """The files that hold the rows, in their order.

    Args:
        folder: the folder.
        shown: its name, as people know it.
        split: which part of it is wanted; "" when there is but one.
        kinds: suffix → the kind of file that it says; files of other suffixes are passed over.
        notes: told what was passed over.

    Raises:
        MissingError: there are no data files.
        UsageError: they are of several kinds, or of several splits and none was named.
    """
    if (folder / SPLITS).is_file():
        names = _listed(folder / SPLITS, shown, "splits")
        return _saved(folder / _wanted(names, split, shown), shown)
    if (folder / SAVED).is_file():
        return _saved(folder, shown)
    entries = sorted(folder.iterdir(), key=lambda path: path.name)
    found = [path for path in entries if path.is_file() and not is_about(path.name)]
    data = [path for path in found if path.suffix.lower() in kinds and path.stat().st_size]
    passed = [path.name + "/" * path.is_dir() for path in entries if path not in data]
    if passed:
        more = f" and {len(passed) - SHOWN} more" if len(passed) > SHOWN else ""
        notes.append(f"passed over in the folder: {', '.join(passed[:SHOWN])}{more}")
    data = _of_split(data, split, shown)
    found_kinds = sorted({kinds[path.suffix.lower()] for path in data})
    if not data:
        raise MissingError(Problem("it is a folder without a data file", shown, "put rows into it"))
    if len(found_kinds) > 1:
        what = f"data files of several kinds: {', '.join(path.name for path in data[:SHOWN])}"
        raise UsageError(Problem(what, shown, "name one file, or leave files of one kind there"))
    notes.append(f"{len(data)} files: {', '.join(path.name for path in data[:SHOWN])}")
    return data


def _of_split(data: list[Path], split: str, shown: str) -> list[Path]:
    """The files named after a split; all of them when none is."""
    usual = ("train", "validation", "valid", "dev", "test")
    named = {one: [path for path in data if path.stem.lower().split(".")[0].startswith(one)] for one in usual}
    splits = [one for one, files in named.items() if files and one != "valid"]
    if split:
        wanted = [path for path in data if path.name.lower().startswith(split.lower())]
        if not wanted:
            names = ", ".join(path.name for path in data[:SHOWN])
            raise UsageError(Problem(f'no file is named after the split "{split}"', shown, f"there: {names}"))
        return wanted
    if len(splits) > 1:
        _wanted(splits, split, shown)
    return data


def _wanted(names: list[str], split: str, shown: str) -> str:
    """The split that is meant."""
    if split in names or (not split and len(names) == 1):
        return split or names[0]
    what = f'there is no split "{split}"' if split else f"it holds the splits {', '.join(names)}"
    raise UsageError(Problem(what, shown, f"say one of them as the split: {', '.join(names)}"))


def _saved(folder: Path, shown: str) -> list[Path]:
    """The files that a saved data set lists; only those inside its folder."""
    names = [Path(name).name for name in _listed(folder / SAVED, shown, "_data_files")]
    files = [folder / name for name in names]
    missing = next((path.name for path in files if not path.is_file()), "")
    if missing or not files:
        what = f"a file of the saved data set is missing: {missing or 'it lists none'}"
        raise UsageError(Problem(what, shown, "save or fetch it anew"))
    return files


def _listed(path: Path, shown: str, key: str) -> list[str]:
    """The names under a key of a saved data set's own file; files stand there as {"filename": …}."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))[key]
        return [str(one["filename"] if isinstance(one, dict) else one) for one in listed]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(
            Problem(f"{path.name} is damaged", shown, "save or fetch the data set anew")
        ) from None
