"""The Makefile: it lists itself, hands recipe=… on as the text it is, and sets up once.

Real `make`, and a fake `conch`, `uv` and `python3` that write down how they were called. Not covered
here: that set-up works from the package index (the end-to-end tests run in an environment it made).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VERB_TARGETS = {
    "demo": "run",
    "sft": "sft",
    "serve": "serve",
    "verify": "verify",
    "plan": "plan",
    "chat": "chat",
}

# The program that stands in for conch, uv and python3 adds a call to its log: each word ends with NUL, the
# call with SOH. What a target calls before its verb (`conch env sync`) is not written down.
WRITE_DOWN = (
    '#!/bin/sh\ncase "$1" in env|pull) exit 0;; esac\n'
    '{{ for word in "$@"; do printf "%s\\0" "$word"; done; printf "\\001"; }} >> "{log}"\n'
)

# Each would make a file named P if make or a shell ever took it for more than text.
PAYLOADS = [
    "x; touch P",
    '"$(touch P)"',
    "$(touch P)",
    "`touch P`",
    "';touch P;'",
    '";touch P;"',
    "$(shell touch P)",
    "$(eval $(shell touch P))",
    "${shell touch P}",
    "$$(touch P)",
    "x && touch P",
    "x | touch P",
    "x > P",
    "x\ntouch P",
    "x\\\n\ttouch P",
    "$(RAW)",
    "# touch P",
    "%s %n",
    "--evil",
    "--json",
    "-h",
    "a b  c",
    "../../etc/passwd",
    "神奇海螺",
    "",
]

Make = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder whose name has a space, with the Makefile and a set-up that has been done."""
    folder = tmp_path / "a clone"
    (folder / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, folder / name)
    _write_program(folder / ".venv/bin/conch", log=folder / "said")
    (folder / ".venv/setup.stamp").write_text(str(folder), encoding="utf-8")
    return folder


@pytest.fixture
def make(clone: Path) -> Make:
    """Run make there, in an environment that holds nothing of the tester's."""

    def run(*words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(clone / "programs"), "/usr/bin", "/bin"])
        return subprocess.run(
            ["make", *words],
            cwd=clone,
            env={"PATH": path, "LC_ALL": "C.UTF-8", **(env or {})},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    return run


def _write_program(path: Path, *, log: Path, then: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(WRITE_DOWN.format(log=log) + then, encoding="utf-8")
    path.chmod(0o755)


def _calls(log: Path) -> list[list[str]]:
    """The words of each call, oldest first."""
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    return [call.split("\0")[:-1] for call in text.split("\1")[:-1]]


def _said(log: Path) -> list[str]:
    """The words of the only call."""
    (only,) = _calls(log)
    return only


def test_make_alone_lists_every_target(make: Make) -> None:
    done = make()
    assert done.returncode == 0
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert phony
    listed = re.findall(r"^  make (\w+) +\S", done.stdout, re.MULTILINE)
    assert sorted(listed) == sorted(set(phony[1].split()) - {"help"})


@pytest.mark.parametrize("target", VERB_TARGETS)
def test_a_target_is_its_verb_with_the_demo_recipe(make: Make, clone: Path, target: str) -> None:
    assert make(target).returncode == 0
    assert _said(clone / "said") == [VERB_TARGETS[target], "--", "magic_conch"]


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("way", ["argument", "environment"])
def test_fault_096_a_recipe_is_never_more_than_text(make: Make, clone: Path, payload: str, way: str) -> None:
    done = make("sft", f"recipe={payload}") if way == "argument" else make("sft", env={"recipe": payload})
    assert _said(clone / "said") == ["sft", "--", payload], done.stderr
    assert not list(clone.rglob("P"))


@pytest.mark.parametrize("target", VERB_TARGETS)
def test_fault_096_no_target_runs_what_its_recipe_says(make: Make, clone: Path, target: str) -> None:
    payload = "$(shell touch P)`touch P`';touch P;'"
    make(target, f"recipe={payload}")
    assert _said(clone / "said") == [VERB_TARGETS[target], "--", payload]
    assert not list(clone.rglob("P"))


def test_the_text_that_travels_cannot_be_replaced(make: Make, clone: Path) -> None:
    make("sft", "RECIPE_RAW=$(shell touch P)")
    assert _said(clone / "said") == ["sft", "--", "magic_conch"]


def test_the_failure_of_a_verb_is_the_failure_of_its_target(make: Make, clone: Path) -> None:
    _write_program(clone / ".venv/bin/conch", log=clone / "said", then="exit 5\n")
    done = make("verify")
    assert done.returncode == 2
    assert "Error 5" in done.stderr


def test_set_up_runs_once_and_again_when_the_lock_changes(make: Make, clone: Path) -> None:
    shutil.rmtree(clone / ".venv")
    _fake_uv(clone)
    for _ in range(2):
        done = make("setup")
        assert done.returncode == 0, done.stderr
        assert "Ready: .venv/bin/conch" in done.stdout
    calls = _calls(clone / "uv said")
    assert [call[0] for call in calls] == ["venv", "export", "pip", "pip"]
    assert {"--frozen", "--no-dev"} < set(calls[1])
    assert "--require-hashes" in calls[2]
    later = (clone / ".venv/setup.stamp").stat().st_mtime + 10
    os.utime(clone / "uv.lock", (later, later))
    make("setup")
    assert len(_calls(clone / "uv said")) == 2 * len(calls)


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"])
def test_a_mirror_is_used_whatever_the_lock_says(make: Make, clone: Path, variable: str) -> None:
    shutil.rmtree(clone / ".venv")
    _fake_uv(clone, then=f'echo "$UV_DEFAULT_INDEX" > "{clone}/index"\n')
    make("setup", env={variable: "https://mirror.example/simple"})
    assert (clone / "index").read_text(encoding="utf-8") == "https://mirror.example/simple\n"


def test_the_tests_get_the_development_tools(make: Make, clone: Path) -> None:
    shutil.rmtree(clone / ".venv")
    _fake_uv(clone)
    done = make("test")
    assert done.returncode == 0, done.stderr
    exports = [call for call in _calls(clone / "uv said") if call[0] == "export"]
    assert ["--no-dev" in call for call in exports] == [True, False]


def test_a_moved_clone_is_set_up_anew(make: Make, clone: Path) -> None:
    _fake_uv(clone)
    make("setup")
    assert not _calls(clone / "uv said")
    (clone / ".venv/setup.stamp").write_text("/somewhere/else", encoding="utf-8")
    (clone / ".venv/bin/stale").touch()
    assert make("setup").returncode == 0
    assert _calls(clone / "uv said")
    assert not (clone / ".venv/bin/stale").exists()
    assert (clone / ".venv/setup.stamp").read_text(encoding="utf-8") == str(clone)


def test_an_interrupted_set_up_starts_again(make: Make, clone: Path) -> None:
    shutil.rmtree(clone / ".venv")
    _fake_uv(clone, then="exit 1\n")
    assert make("setup").returncode != 0
    assert not (clone / ".venv/setup.stamp").exists()
    _fake_uv(clone)
    assert make("setup").returncode == 0


def test_an_active_environment_does_not_lead_set_up_astray(make: Make, clone: Path) -> None:
    shutil.rmtree(clone / ".venv")
    seen = clone / "seen"
    _fake_uv(clone, then=f'env > "{seen}"\n')
    make(
        "setup",
        env={"VIRTUAL_ENV": "/nowhere", "PYTHONHOME": "/nowhere", "UV_PROJECT_ENVIRONMENT": "/nowhere"},
    )
    variables = dict(
        line.split("=", 1) for line in seen.read_text(encoding="utf-8").splitlines() if "=" in line
    )
    assert not {"VIRTUAL_ENV", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT"} & set(variables)


def test_uv_is_brought_where_there_is_none(make: Make, clone: Path) -> None:
    shutil.rmtree(clone / ".venv")
    pip = f'#!/bin/sh\nprintf "%s\\n" "$*" > asked\ncp "{clone.parent}/uv" .uv/new/bin/uv\n'
    (clone.parent / "pip").write_text(pip, encoding="utf-8")
    (clone.parent / "pip").chmod(0o755)
    _fake_uv(clone, at=clone.parent / "uv")
    made = f'test "$1" = -c && exit 0\nmkdir -p "$3/bin" && cp "{clone.parent}/pip" "$3/bin/python"\n'
    _write_program(clone / "programs/python3", log=clone / "python said", then=made)
    done = make("setup")
    assert done.returncode == 0, done.stderr
    assert re.search(r"uv==\d+\.\d+\.\d+", (clone / "asked").read_text(encoding="utf-8"))
    assert [path.name for path in (clone / ".uv").iterdir()] == ["bin"]
    assert _calls(clone / "uv said")


def test_too_old_a_python_is_named_with_its_fix(make: Make, clone: Path) -> None:
    shutil.rmtree(clone / ".venv")
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        _write_program(clone / "programs" / name, log=clone / "python said", then="exit 1\n")
    done = make("setup")
    assert done.returncode == 2
    assert "Conch needs Python 3.11 or newer" in done.stderr
    assert "apt install" in done.stderr
    assert "Traceback" not in done.stderr


def test_stop_needs_no_set_up(make: Make, clone: Path) -> None:
    shutil.rmtree(clone / ".venv")
    assert make("stop").returncode == 0
    assert not (clone / ".venv").exists()


def test_clean_leaves_the_work(make: Make, clone: Path) -> None:
    for kept in ("runs/magic_conch/1", "data", "orchestrator", "tests", "benchmarks"):
        (clone / kept).mkdir(parents=True)
        (clone / kept / "kept.txt").touch()
    (clone / "orchestrator/__pycache__").mkdir()
    (clone / ".mypy_cache").mkdir()
    done = make("clean")
    assert done.returncode == 0, done.stderr
    assert len(list(clone.rglob("kept.txt"))) == 5
    assert not (clone / ".venv").exists()
    assert not (clone / ".mypy_cache").exists()
    assert not (clone / "orchestrator/__pycache__").exists()


def _fake_uv(clone: Path, *, then: str = "", at: Path | None = None) -> None:
    """A uv whose `sync` makes the smallest .venv that set-up goes on with."""
    programs = "conch lint-imports mypy python ruff"
    made = f"mkdir -p .venv/bin\nfor name in {programs}; do cp /bin/true .venv/bin/$name; done\n"
    _write_program(at or clone / "programs/uv", log=clone / "uv said", then=then + made)
