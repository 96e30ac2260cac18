"""Faults of the world around a run: disks, folders, locales, clocks and paths."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execute.processes import process, process_tree
from orchestrator.execute.run_store.listing import Standing, summary_of
from orchestrator.execute.run_store.run_folder import Run
from tests.small_world import CONCH, FinishedRuns, Said, SmallWorld, make_small_world

ROOT = Path(__file__).parents[2]


def test_fault_039_control_rewriting_in_place_destroys_the_old(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text('{"whole": "' + "x" * 1000 + '"}', encoding="utf-8")
    script = f"open({str(state)!r}, 'w').write('y' * 100_000)"

    def little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run([sys.executable, "-c", script], preexec_fn=little, capture_output=True, check=False)
    assert done.returncode != 0
    assert b"whole" not in state.read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_fault_040_an_error_that_shows_only_at_close(small: SmallWorld) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [CONCH, "plan", "small"], cwd=small.project, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 3
    assert b"cannot write the result: No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_fault_040_control_writing_alone_does_not_see_it() -> None:
    file = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115  its close is the point
    assert file.write("x") == 1
    with pytest.raises(OSError, match="No space left"):
        file.close()


def test_fault_042_a_log_that_cannot_be_cut_or_grow_ends_nothing(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LOG_LIMIT", 10)

    opened = Path.open

    def refusing(path: Path, mode: str = "r", **given: Any) -> Any:
        if path.suffix == ".log" and mode in {"r+b", "ab"}:
            raise OSError(28, "No space left on device")
        return opened(path, mode, **given)

    monkeypatch.setattr(Path, "open", refusing)
    assert small.run("sft", "small").code == 0


def test_fault_044_a_project_that_cannot_be_written_to(small: SmallWorld) -> None:
    (small.project / "runs").write_text("in the way", encoding="utf-8")
    said = small.run("sft", "small")
    assert said.code == 3
    assert str(small.project / "runs") in said.err
    assert "Traceback" not in said.err


def test_fault_046_two_recipes_never_share_an_output_folder(small: SmallWorld) -> None:
    small.write_recipe(name="other")
    small.after("sft", "small")
    assert small.run("sft", "other").code == 0
    first, second = (Run.last(small.project, name) for name in ("small", "other"))
    assert first is not None
    assert second is not None
    assert first.path.parent != second.path.parent
    for key in ("output_dir", "export_dir"):
        base = "model: {base: ./base}"
        small.write_recipe((base, f"{base}\nllamafactory: {{{key}: {first.path}}}"), name="other")
        assert small.run("plan", "other").code == 2, "nor can one be pointed at the other's"


def test_fault_049_control_a_file_with_a_pid_outlives_its_writer(tmp_path: Path) -> None:
    script = (
        f"import os; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert (tmp_path / "pid").exists(), "who trusts it waits for ever"


def test_fault_063_after_a_reboot_nothing_runs_and_nothing_is_killed(small: SmallWorld) -> None:
    run = Run.create(small.project, "small")
    run.begin("a headline", identity="x")
    state = run.path / "state.json"
    text = state.read_text(encoding="utf-8")
    # Before the reboot another process had our pid; now that is somebody else's, and must be left alone.
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    assert boot in text
    state.write_text(text.replace(boot, "another-boot"), encoding="utf-8")
    assert summary_of(run).standing is Standing.INTERRUPTED
    assert small.run("stop").out == "nothing was running for this project\n"
    assert "interrupted" in small.run("status").out


LOCALES = ({"LC_ALL": "C", "PYTHONUTF8": "0"}, {"LC_ALL": "tr_TR.UTF-8"}, {"LC_ALL": "de_DE.UTF-8"})


@pytest.mark.parametrize("locale", LOCALES, ids=["C", "Turkish", "decimal comma"])
def test_fault_090_a_locale_changes_nothing(small: SmallWorld, locale: dict[str, str]) -> None:
    def executed(*words: str, env: dict[str, str]) -> Said:
        done = subprocess.run(
            [CONCH, *words], cwd=small.project, env={**os.environ, **env}, capture_output=True, check=False
        )
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    usual = small.script("plan", "small", "--json")
    said = executed("plan", "small", "--json", env={**locale, "PYTHONIOENCODING": "ascii"})
    assert said.code == 0, said.err
    assert said.envelope == usual.envelope
    audited = executed("data", "audit", "dataset_info/small.jsonl", env=locale)
    assert (audited.code, "Traceback" in audited.err) == (0, False)


def test_fault_090_control_a_plain_print_fails() -> None:
    env = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", "print('海螺')"], env=env, capture_output=True, check=False)
    assert b"UnicodeEncodeError" in done.stderr


@pytest.mark.parametrize(
    "name", ['it\'s "quoted" 100%', "$(touch P)", "行\n末", unicodedata.normalize("NFD", "é海螺") + "x" * 200]
)
def test_fault_091_a_project_with_an_odd_name_works(  # noqa: PLR0917
    name: str,
    tmp_path: Path,
    engines: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    finished_runs: FinishedRuns,
) -> None:
    world = make_small_world(tmp_path / name, engines, monkeypatch, capsys, finished_runs)
    said = world.run("sft", "small")
    assert said.code == 0, said.err
    for rendered in world.last().path.glob("*.yaml"):
        assert name not in rendered.read_text(encoding="utf-8"), "an engine never sees it"


def test_fault_100_a_log_that_is_written_to_stays_bounded(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    script = "print('the start', flush=True)\nfor n in range(60): print('x' * 100_000, flush=True)"
    env = {"CONCH_RUN": process_tree.new_run_tag(tmp_path, tmp_path), "PATH": os.environ["PATH"]}
    child = process.start([sys.executable, "-c", script], cwd=tmp_path, env=env, log=log)
    while child.wait(0.01) is None:
        process.bound_log(log, 2 << 20)
    child.stop()
    process.bound_log(log, 2 << 20)
    assert log.stat().st_size < (2 << 20) + 200_000
    assert log.read_bytes().startswith(b"the start\n")
    assert b" bytes left out " in log.read_bytes()


def test_fault_100_control_without_a_bound_it_grows(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"x" * (6 << 20))
    assert log.stat().st_size > 5 << 20
