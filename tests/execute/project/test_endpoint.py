"""Where a recipe is served."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import MissingError, UsageError
from orchestrator.execute.project.endpoint import served

RECIPE = "model: {base: embedded}\ndata: {dataset: x}\ntemplate: {name: deepseekr1}\n"


@pytest.mark.parametrize(
    ("serve", "url", "model"),
    [
        ("{}", "http://127.0.0.1:8000/v1", "tiny"),
        ("{host: 0.0.0.0, port: 9000, model: conch}", "http://127.0.0.1:9000/v1", "conch"),
        ('{host: "::1"}', "http://[::1]:8000/v1", "tiny"),
    ],
)
def test_the_address_is_where_serve_listens(project: Path, serve: str, url: str, model: str) -> None:
    (project / "recipes" / "tiny.yaml").write_text(RECIPE + f"serve: {serve}\n", encoding="utf-8")
    assert served("tiny", start=project) == (url, model)


def test_settings_count(project: Path) -> None:
    (project / "recipes" / "tiny.yaml").write_text(RECIPE, encoding="utf-8")
    assert served("tiny", start=project, sets=("serve.port=81",))[0] == "http://127.0.0.1:81/v1"


def test_no_recipe_and_no_project_are_told(project: Path) -> None:
    with pytest.raises(UsageError):
        served("none", start=project)
    with pytest.raises(MissingError):
        served("none", start=Path("/"))
