"""Finding and reading recipe files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import MissingError, UsageError
from orchestrator.execute.project import recipes
from orchestrator.hubs.recipe import recipe_of

REPOSITORY = Path(__file__).parents[3]
ROOT = "model: {base: embedded}\ndata: {dataset: shells}\ntemplate: {name: deepseekr1}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project 海"
    (folder / "recipes").mkdir(parents=True)
    write(folder / "recipes" / "root.yaml", ROOT)
    write(folder / "recipes" / "child.yaml", "extends: root\ntrain: {epochs: 7}\n")
    write(folder / "recipes" / "recipe.schema.json", "{}")
    write(folder / "recipes" / "Not A Name.yaml", "")
    return folder


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def refusal(name: str, project: Path) -> str:
    with pytest.raises(UsageError) as caught:
        recipes.read(name, project=project)
    return str(caught.value)


def test_the_project_is_the_nearest_folder_upward_with_recipes(project: Path) -> None:
    inside = project / "a" / "b"
    inside.mkdir(parents=True)
    assert recipes.project_folder(inside) == project
    assert recipes.project_folder(project) == project
    with pytest.raises(MissingError) as caught:
        recipes.project_folder(project.parent)
    assert caught.value.problems[0].hint.startswith("cd into the project")


def test_names_are_the_yaml_files_with_names(project: Path) -> None:
    assert recipes.names(project) == ["child", "root"]


def test_a_recipe_is_found_by_name_or_path(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = project / "recipes" / "child.yaml"
    assert recipes.find("child", project) == wanted
    assert recipes.find(str(wanted), project) == wanted
    assert recipes.find("child.yaml", project) == wanted
    monkeypatch.chdir(project / "recipes")
    assert recipes.find("child.yaml", project).samefile(wanted)
    assert recipes.find("./child.yaml", project).samefile(wanted)


def test_an_unknown_name_says_which_there_are(project: Path) -> None:
    assert (
        refusal("chlid", project)
        == 'no recipe named "chlid"; did you mean "child"?\n    → recipes here: child, root'
    )


def test_reading_follows_extends(project: Path) -> None:
    resolved = recipes.read(
        "child",
        project=project,
        sets=["train.seed=1"],
        environ={"CONCH_SET_TRAIN__LORA_RANK": "4"},
        profile="cuda",
    )
    train = resolved.recipe.train
    assert (resolved.recipe.name, resolved.profile) == ("child", "cuda")
    assert (train.epochs, train.seed, train.lora_rank) == (7, 1, 4)
    assert resolved.files == ("recipes/child.yaml", "recipes/root.yaml")


def test_a_recipe_elsewhere_extends_its_neighbour_then_the_project(project: Path, tmp_path: Path) -> None:
    mine = write(tmp_path / "mine.yaml", "extends: near\n")
    write(tmp_path / "near.yaml", "extends: root\ntrain: {epochs: 5}\n")
    resolved = recipes.read(str(mine), project=project)
    assert resolved.recipe.train.epochs == 5
    assert resolved.files == (str(mine), str(tmp_path / "near.yaml"), "recipes/root.yaml")


def test_extending_what_is_not_there(project: Path) -> None:
    write(project / "recipes" / "lost.yaml", "# lost\nextends: rot\n")
    assert refusal("lost", project) == (
        'recipes/lost.yaml:2:10  extends: no recipe named "rot"; did you mean "root"?\n'
        "    → recipes here: child, lost, root"
    )
    write(project / "recipes" / "lost.yaml", "extends: ../root\n")
    assert refusal("lost", project).startswith(
        "recipes/lost.yaml:1:10  extends: must be the name of a recipe"
    )


def test_extending_in_a_circle(project: Path) -> None:
    write(project / "recipes" / "root.yaml", ROOT + "extends: child\n")
    assert refusal("child", project).startswith(
        "recipes/root.yaml:4:10  extends: circular: child → root → child"
    )
    write(project / "recipes" / "root.yaml", ROOT + "extends: root\n")
    assert "root → root" in refusal("root", project)


def test_a_mistake_in_the_parent_is_blamed_on_the_parent(project: Path) -> None:
    write(project / "recipes" / "root.yaml", ROOT + "serve: {port: 0}\n")
    assert refusal("child", project) == (
        "recipes/root.yaml:4:15  serve.port: must be a whole number from 1 to 65535, got 0"
    )


@pytest.mark.parametrize("name", recipes.names(REPOSITORY))
@pytest.mark.parametrize("profile", ["cpu", "cuda"])
def test_the_shipped_recipes_are_valid(name: str, profile: str) -> None:
    resolved = recipes.read(name, project=REPOSITORY, profile=profile)
    recipe = resolved.recipe
    if not recipe_of(recipe.model.base):
        assert (recipe.model.base == "embedded") == (profile == "cpu")
        assert (recipe.model.revision is None) == (profile == "cpu")
    assert recipe.train.alpha == 2 * recipe.train.lora_rank
    assert bool(recipe.verify.checks) == (recipe.train.kind not in ("pretrain", "reward"))


@pytest.mark.parametrize("name", recipes.names(REPOSITORY))
def test_a_shipped_recipe_opens_with_the_commands_that_run_it(name: str) -> None:
    text = (REPOSITORY / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    opening = text.split("\n\n")[0]
    assert all(line.startswith("#") for line in opening.splitlines())
    assert f"conch plan {name}" in opening


def test_nothing_slow_is_imported_to_read_a_recipe() -> None:
    """What is slow to import has no place here; the milliseconds are counted in benchmarks/."""
    code = "import sys; from orchestrator.execute.project import recipes; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=REPOSITORY
    ).stdout.split()
    assert not {"rich", "jinja2", "jsonschema", "httpx", "openai", "difflib", "torch"} & set(loaded)
