"""dataset_info.json."""

import json
from pathlib import Path
from types import SimpleNamespace


def get_dataset_list(names: list, folder: str) -> list:
    """The entries of these names."""
    info = json.loads(Path(folder, "dataset_info.json").read_text(encoding="utf-8"))
    files = [info[name]["file_name"] for name in names]
    return [SimpleNamespace(file=file, num_samples=None, formatting="sharegpt") for file in files]
