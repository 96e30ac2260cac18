"""The files with rows in a folder: those that `datasets` saved, or plain data files of one kind."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.data.readers.packed import is_about

SAVED = "state.json"
SPLITS = "dataset_dict.json"
SHOWN = 5


def files_of(folder: Path, shown: str, split: str, kinds: dict[str, str], notes: list[str]) -> list[Path]:
    """The files with rows, in order.

    Args:
        folder: the folder.
        shown: its name, for messages.
        split: the split to read; "" if there is only one.
        kinds: suffix → its kind of file; other files are skipped.
        notes: gets what was skipped.

    Raises:
        MissingError: there are no data files.
        UsageError: they are of several kinds, or of several splits and none was chosen.
    """
    if (folder / SPLITS).is_file():
        chosen = _chosen(_listed(folder / SPLITS, shown, "splits"), split, shown)
        if "\0" in chosen or (folder / chosen).resolve().parent != folder.resolve():
            raise UsageError(Problem(f"{SPLITS} names a split outside its folder", shown, "do not use it"))
        return _saved(folder / chosen, shown)
    if (folder / SAVED).is_file():
        return _saved(folder, shown)
    entries = sorted(folder.iterdir(), key=lambda path: path.name)
    found = [path for path in entries if path.is_file() and not is_about(path.name)]
    data = [path for path in found if path.suffix.lower() in kinds and path.stat().st_size]
    skipped = [path.name + "/" * path.is_dir() for path in entries if path not in data]
    if skipped:
        more = f" and {len(skipped) - SHOWN} more" if len(skipped) > SHOWN else ""
        notes.append(f"skipped in the folder: {', '.join(skipped[:SHOWN])}{more}")
    data = _of_split(data, split, shown)
    found_kinds = sorted({kinds[path.suffix.lower()] for path in data})
    if not data:
        raise MissingError(Problem("no data file in the folder", shown, "add one"))
    if len(found_kinds) > 1:
        what = f"data files of several kinds: {', '.join(path.name for path in data[:SHOWN])}"
        raise UsageError(Problem(what, shown, "use one file, or keep files of one kind"))
    notes.append(f"{len(data)} files: {', '.join(path.name for path in data[:SHOWN])}")
    return data


def _of_split(data: list[Path], split: str, shown: str) -> list[Path]:
    """The files named after a split; all files if none is."""
    usual = ("train", "validation", "valid", "dev", "test")
    named = {one: [path for path in data if path.stem.lower().split(".")[0].startswith(one)] for one in usual}
    splits = [one for one, files in named.items() if files and one != "valid"]
    if split:
        chosen = [path for path in data if path.name.lower().startswith(split.lower())]
        if not chosen:
            names = ", ".join(path.name for path in data[:SHOWN])
            raise UsageError(Problem(f'no file is named after the split "{split}"', shown, f"files: {names}"))
        return chosen
    if len(splits) > 1:
        _chosen(splits, split, shown)
    return data


def _chosen(names: list[str], split: str, shown: str) -> str:
    """The split to read."""
    if split in names or (not split and len(names) == 1):
        return split or names[0]
    what = f'no split named "{split}"' if split else f"several splits: {', '.join(names)}"
    raise UsageError(Problem(what, shown, f"choose one of the splits: {', '.join(names)}"))


def _saved(folder: Path, shown: str) -> list[Path]:
    """The files that a saved dataset lists; only inside its folder."""
    names = [Path(name).name for name in _listed(folder / SAVED, shown, "_data_files")]
    files = [folder / name for name in names]
    missing = next((path.name for path in files if not path.is_file()), "")
    if missing or not files:
        what = f"a file of the saved dataset is missing: {missing or 'none are listed'}"
        raise UsageError(Problem(what, shown, "save or download it again"))
    return files


def _listed(path: Path, shown: str, key: str) -> list[str]:
    """The names under a key in a file of a saved dataset; files are listed as {"filename": …}."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))[key]
        return [str(one["filename"] if isinstance(one, dict) else one) for one in listed]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(
            Problem(f"{path.name} is damaged", shown, "save or download the dataset again")
        ) from None
