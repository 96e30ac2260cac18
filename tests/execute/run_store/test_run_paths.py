"""Names become paths below runs/ and nowhere else."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator.errors import ConchError, UsageError
from orchestrator.execute.run_store import run_paths
from orchestrator.execute.run_store.listing import latest, remove_run, summaries
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_lock import hold
from orchestrator.execute.run_store.run_logs import Tail, logs_of
from orchestrator.execute.run_store.run_paths import delete_run, make_private, recipes_of, runs_path
from tests.small_world import SmallWorld

ID = "20260103-000000-beef"


def outside(project: Path) -> Path:
    """A folder like a run's, beside runs/, with something that must survive."""
    folder = project / ID
    (folder / "logs").mkdir(parents=True)
    (folder / "logs/train.log").write_text("what nobody may read", encoding="utf-8")
    return folder


NAMES = (
    *("..", ".", "", "/", "../..", f"../{ID}", f"r/../../{ID}", f"./{ID}", f"/{ID}", f"r//{ID}", "r/", "R"),
    *("r/..", f"r/{ID}/", f"r/{ID}\n", f"r/{ID}/export", f"r\\{ID}", "r/٢٠٢٦٠١٠٣-000000-beef", "~", "-r"),
    *("r\0", "海", "x" * 99),
)
VERBS = (
    ("rm", "--yes"),
    ("runs", "show"),
    ("status",),
    ("logs",),
    ("report",),
    ("watch", "--once"),
    ("stop",),
)
STAGES = ("../../x", "..", "/etc/passwd", "*", "train[", "x/y", "\x1b[2J", "a" * 65, "Train")


@pytest.mark.parametrize("name", NAMES)
def test_fault_118_only_a_name_opens_a_run(project: Path, name: str) -> None:
    there = outside(project)
    Run.create(project, "r")
    with pytest.raises(UsageError, match="is not the name of a run"):
        Run.open(project, name)
    assert (there / "logs/train.log").is_file()


def test_fault_118_rm_deletes_nothing_outside_runs(small: SmallWorld) -> None:
    there = outside(small.project)
    other = small.project / "elsewhere"
    other.mkdir()
    there.rename(other / ID)
    (small.project / "runs").mkdir()
    (small.project / "runs/linked").symlink_to(other)
    for name in (f"../elsewhere/{ID}", f"linked/{ID}", f"../{ID}", f"small/../../elsewhere/{ID}"):
        for verb in VERBS:
            said = small.run(*verb, name)
            assert said.code == 2, (verb, name, said)
            assert "is not the name of a run" in said.err or "is a link" in said.err
    assert (other / ID / "logs/train.log").is_file()


@pytest.mark.parametrize("linked", ["runs", "runs/r", f"runs/r/{ID}"])
def test_fault_118_a_link_is_no_run(project: Path, tmp_path: Path, linked: str) -> None:
    real = tmp_path / "real"
    run = real / f"runs/r/{ID}"
    run.mkdir(parents=True)
    (project / linked).parent.mkdir(parents=True, exist_ok=True)
    (project / linked).symlink_to(real / linked)
    with pytest.raises(UsageError, match="is a link"):
        Run.open(project, f"r/{ID}")
    if linked == "runs":
        with pytest.raises(UsageError, match="is a link"):
            summaries(project)
    else:
        assert (summaries(project), latest(project)) == ([], [])
    with suppress(ConchError):  # of a run, the link itself is removed
        remove_run(Run(project, "r", ID))
    assert run.is_dir()


@pytest.mark.parametrize("name", STAGES)
def test_fault_119_only_the_name_of_a_stage_finds_a_log(project: Path, name: str) -> None:
    run = Run.create(project, "r")
    (run.path / "logs").mkdir()
    (run.path / "logs/train.log").write_text("line\n", encoding="utf-8")
    (project / "runs/x.log").write_text("what nobody may read", encoding="utf-8")
    assert [log.name for log in logs_of(run, "train")] == ["train.log"]
    with pytest.raises(UsageError, match="is not the name of a stage"):
        logs_of(run, name)
    with pytest.raises(UsageError):
        list(Tail(run, name).added())


def test_fault_119_logs_behind_a_link_are_not_read(project: Path) -> None:
    there = outside(project)
    run = Run.create(project, "r")
    (run.path / "logs").symlink_to(there / "logs")
    with pytest.raises(UsageError, match="is a link"):
        logs_of(run)


def test_fault_120_a_link_swapped_in_saves_what_is_behind_it(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipe's folder becomes a link when everything was checked, right before the first change."""
    run = Run.create(project, "r")
    (run.path / "mine").touch()
    (tmp_path / "real" / run.id).mkdir(parents=True)
    (tmp_path / "real" / run.id / "theirs").touch()
    real = os.rename

    def rename(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        real(project / "runs/r", project / "runs/moved")
        (project / "runs/r").symlink_to(tmp_path / "real")
        real(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", rename)
    remove_run(run)
    assert (tmp_path / "real" / run.id / "theirs").exists()
    assert not (project / "runs/moved" / run.id).exists()


def test_fault_120_control_deleting_by_path_follows_it(project: Path, tmp_path: Path) -> None:
    import shutil

    run = Run.create(project, "r")
    (tmp_path / "real" / run.id).mkdir(parents=True)
    (project / "runs/r").rename(project / "runs/moved")
    (project / "runs/r").symlink_to(tmp_path / "real")
    shutil.rmtree(run.path)
    assert not (tmp_path / "real" / run.id).exists()


def test_fault_120_links_in_a_run_are_removed_and_their_targets_are_not(
    project: Path, tmp_path: Path
) -> None:
    run = Run.create(project, "r")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/file").touch()
    (run.path / "folder").symlink_to(tmp_path / "theirs")
    (run.path / "file").symlink_to(tmp_path / "theirs/file")
    (project / f"runs/r/.removed-{ID}").symlink_to(tmp_path / "theirs")  # as if left by a killed rm
    (run.path / "closed").mkdir()
    (run.path / "closed/file").touch()
    (run.path / "closed").chmod(0o500)
    delete_run(project, "r", run.id)
    assert not [path.name for path in (project / "runs/r").iterdir()]
    assert (tmp_path / "theirs/file").exists()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_fault_125_runs_are_private_whatever_the_umask(project: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        run = Run.create(project, "r")
        with hold(project, "another"):
            pass
        make_private(project, ".chat")
    finally:
        os.umask(before)
    for name in ("", "r", run.name, "another", ".chat"):
        path = project / "runs" / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path


def test_a_folder_that_is_there_keeps_its_mode(project: Path) -> None:
    (project / "runs").mkdir()
    (project / "runs").chmod(0o750)
    Run.create(project, "r")
    assert stat.S_IMODE((project / "runs").stat().st_mode) == 0o750


def test_what_is_no_run_is_not_listed(project: Path) -> None:
    Run.create(project, "r")
    for name in ("runs/.parity", "runs/Shouting", "runs/r/notes", "runs/r/20260103-000000-BEEF"):
        (project / name).mkdir()
    (project / "runs/file").touch()
    (project / f"runs/r/{ID}").touch()
    assert recipes_of(project) == ["r"]
    assert len(run_paths.ids_of(project, "r")) == 1


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc"])
def test_a_part_of_a_path_is_one_name(project: Path, name: str) -> None:
    with pytest.raises(UsageError, match="names nothing below runs/"):
        runs_path(project, name)
