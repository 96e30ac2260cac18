"""Making the requirement files anew: from their inputs alone, and nothing of this machine in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import MissingError
from orchestrator.execute.environments import registry, uv
from orchestrator.execute.environments.compile import compile_all, mistakes
from tests.execute.environments.environment_world import World, fake_uv, make_world

ENGINES = tuple(f"{name}-{hardware}" for name in ("train", "serve", "ppo") for hardware in ("cpu", "cuda"))
NAMES = (*ENGINES, "evalscope-any", "lm-eval-any", "embedded")
HASH = "--hash=sha256:" + "a" * 64
WRITES = "Path('out.txt').write_text({!r})"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = make_world(tmp_path, monkeypatch)
    for name in NAMES:
        (world.sources / f"{name}.in").write_text("pebble\n", encoding="utf-8")
    (world.sources / "serve-cpu-overrides.txt").write_text("x ; python_version < '3'\n", encoding="utf-8")
    return world


def test_every_file_is_made_anew_and_says_how(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_uv(world, monkeypatch, WRITES.format(f"pebble==1 \\\n    {HASH}\n"))
    paths = compile_all(print)
    assert [path.name for path in paths] == [f"{name}.txt" for name in NAMES]
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# Made by `conch env compile` from {path.stem}.in; do not edit.")
        assert ("without a GPU" in text) == path.stem.endswith("cuda")
        assert "pebble==1" in text


def test_uv_is_asked_for_hashes_wheels_and_the_overrides_of_that_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_uv(world, monkeypatch, WRITES.format(f"pebble==1 {HASH}\n"))
    compile_all(print)
    calls = world.calls()
    assert all('"--generate-hashes"' in line for line in calls)
    assert [name for name, line in zip(NAMES, calls, strict=True) if '"--no-build"' not in line] == [
        *("evalscope-any", "lm-eval-any")
    ]
    assert ['"serve-cpu-overrides.txt"' in line for line in calls] == [name == "serve-cpu" for name in NAMES]
    assert [uv.PYTORCH_CPU in line for line in calls] == [name.endswith("-cpu") for name in NAMES]
    assert [str(world.sources) in line for line in calls] == [False] * len(
        NAMES
    )  # a path would end up in the file


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://mirror.example/simple",
        "-i https://mirror.example/simple",
        "--find-links wheels",
        f"pebble @ file:///wheels/pebble.whl {HASH}",
        f"/wheels/pebble.whl {HASH}",
        f"pebble>=1 {HASH}",
        f"pebble {HASH}",
        f"pebble @ https://mirror.example/pebble.whl {HASH}",
    ],
)
def test_an_address_in_a_file_is_a_mistake(line: str) -> None:
    assert mistakes(f"# fine\n{line}\n")


def test_a_package_without_a_hash_is_a_mistake() -> None:
    assert mistakes("pebble==1.0\n") == ["not a pinned and hashed package: pebble==1.0"]
    assert mistakes(f"pebble==1.0 {HASH}\n") == []
    assert mistakes(f"pebble==1.0 ; python_version > '3' \\\n    {HASH}\n    # via rock\n") == []


def test_a_bad_result_replaces_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_uv(world, monkeypatch, WRITES.format("pebble==1\n"))
    with pytest.raises(MissingError, match="not a pinned and hashed"):
        compile_all(print)
    assert registry.requirements("train", "cpu").read_text(encoding="utf-8") == "# nothing\n"


def test_a_resolution_that_fails_replaces_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_uv(world, monkeypatch, "sys.exit('error: no solution')")
    with pytest.raises(MissingError, match="no solution"):
        compile_all(print)
    assert registry.requirements("train", "cpu").read_text(encoding="utf-8") == "# nothing\n"
