"""write_report: the run as a page, as a model card and as JSON, with the picture of the loss beside them.

report/report.html, report.md, report.json and loss.png; and README.md beside the export, the same card.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.execute.reporting.run_facts import read_facts
from orchestrator.html.card import model_card
from orchestrator.html.run_page import run_page

PICTURE = "training_loss.png"


def write_report(settings: Mapping[str, Any], folder: Path) -> int:
    """Write the report folder and the card.

    Settings:
        recipe, model: names; stand_in: whether the base is the embedded one; out: the folder to write; card:
        the file to write; language: "zh", "en", or absent for that of most of the questions.
    """
    out = folder / settings["out"]
    out.mkdir(exist_ok=True)
    told = read_facts(
        folder,
        recipe=settings["recipe"],
        model=settings["model"],
        stand_in=settings["stand_in"],
        language=settings.get("language", ""),
    )
    picture = folder / "adapter" / PICTURE
    if picture.is_file():
        shutil.copyfile(picture, out / "loss.png")
    named = "loss.png" if picture.is_file() else ""
    _write(out / "report.json", json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    _write(out / "report.html", run_page(told))
    _write(out / "report.md", model_card(told, picture=named))
    _write(folder / settings["card"], model_card(told, picture=named and f"report/{named}"))
    return 0


def _write(path: Path, text: str) -> None:
    """Half a character that a model said is written as its escape, which JSON reads back."""
    path.write_bytes(text.encode("utf-8", "backslashreplace"))
