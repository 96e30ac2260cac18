"""`--detach`: the true outcome of the start; then logs, status and stop from elsewhere."""
# Covers execute/daemon.py

from __future__ import annotations

import json
import os
import time
import urllib.request
from pathlib import Path

import pytest

from orchestrator.execute.host.ports import free_port
from orchestrator.execute.processes.spawn_daemon import has_systemd
from orchestrator.execute.run_store import run_lock
from orchestrator.execute.run_store.listing import Standing, summary_of
from tests.small_world import SmallWorld


def wait_for(small: SmallWorld, standing: Standing, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while (found := summary_of(small.last())).standing is not standing and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found.standing is standing, found


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z":
                os.waitpid(pid, 0)
                return True
        except (FileNotFoundError, ChildProcessError):
            return True
        time.sleep(0.05)
    return False


def test_a_training_goes_on_without_its_terminal(small: SmallWorld) -> None:
    said = small.script("sft", "small", "--detach", "--json", env={"CONCH_FAULT": "slow-ready"})
    assert said.code == 0, said.err
    begun = said.envelope["data"]
    assert begun["run"] == small.last().name
    assert "running" in small.run("status").out
    busy = small.run("sft", "small")
    assert (busy.code, f"process {begun['pid']}" in busy.err) == (6, True)
    followed = small.script("logs", "-f", "small", "--json")
    assert followed.code == 0
    lines = [json.loads(line) for line in followed.out.splitlines()]
    assert any("Training: done in" in line["line"] for line in lines[:-1]), "it followed to the end"
    assert lines[-1]["data"]["run"] == begun["run"]
    wait_for(small, Standing.DONE)
    assert gone(begun["pid"])
    assert (small.last().path / "export").is_dir()
    assert "Training: done in" in small.run("logs", "small", "--stage", "supervisor", "-n", "1000").out


def test_the_true_outcome_of_the_start_is_told(small: SmallWorld) -> None:
    said = small.script("sft", "nix", "--detach")
    assert (said.code, "no recipe named" in said.err) == (2, True)
    (small.project / "base/model.safetensors").write_bytes(b"")
    for name in ("train", "serve"):
        from orchestrator.execute.environments import registry

        registry.environment_folder(name, "cpu").unlink()
    said = small.script("sft", "small", "--detach")
    assert said.code == 3
    assert "the train environment for cpu is not installed" in said.err


def test_stopped_it_saves_and_the_same_command_goes_on(small: SmallWorld) -> None:
    said = small.script("sft", "small", "--detach", "--json", env={"CONCH_FAULT": "slow-ready"})
    pid = said.envelope["data"]["pid"]
    deadline = time.monotonic() + 60
    while not list(small.last().path.glob("adapter.partial-0/trainer_log.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stopped = small.run("stop", "small")
    assert f"stopped {pid}" in stopped.out
    assert gone(pid)
    assert summary_of(small.last()).standing is Standing.STOPPED
    assert small.processes() == []
    assert small.run("stop", "small").out == "nothing was running for small\n"
    again = small.run("sft", "small")
    assert again.code == 0
    assert "resuming from step" in again.err


def test_a_server_in_the_background(trained: SmallWorld) -> None:
    port = free_port("127.0.0.1", 0)
    said = trained.script("serve", "small", "--port", str(port), "--detach", "--json")
    assert said.code == 0, said.err
    begun = said.envelope["data"]
    assert begun["url"] == f"http://127.0.0.1:{port}/v1"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            assert answer.status == 200
        again = trained.run("serve", "small", "--port", str(free_port("127.0.0.1", 0)))
        assert (again.code, begun["url"] in again.err) == (6, True)
        taken = trained.run("serve", "small", "--port", str(port))
        assert (taken.code, begun["url"] in taken.err) == (6, True)
        status = trained.run("status")
        assert f"serving small at {begun['url']}" in status.out
    finally:
        trained.run("stop", "small")
    assert gone(begun["pid"])
    assert trained.processes() == []
    assert free_port("127.0.0.1", port) == port
    assert "serving" not in trained.run("status").out


def test_a_server_that_does_not_come_up_is_told_and_leaves_nothing(trained: SmallWorld) -> None:
    said = trained.script("serve", "small", "--detach", env={"CONCH_FAULT": "oom"})
    assert said.code in {3, 4}
    assert "GPU memory" in said.err
    assert trained.processes() == []


@pytest.mark.skipif(has_systemd(), reason="a real systemd answers here")
def test_fault_124_a_unit_gets_the_environment_of_the_command(
    small: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for systemd-run starts what it is given in an environment of its own, as systemd does."""
    programs = tmp_path / "systemd"
    programs.mkdir()
    (programs / "systemd-run").write_text(
        f"""#!/bin/sh
echo "$@" > {tmp_path}/asked
stat -c %a {tmp_path}/conch-start-*/environment.json > {tmp_path}/mode
given=
while [ "$1" != -- ]; do
  case "$1" in
    --setenv=*) given="$given ${{1#--setenv=}}";;
    --working-directory=*) cd "${{1#*=}}";;
  esac
  shift
done
shift
setsid env -i PATH=/usr/bin:/bin $given "$@" > {tmp_path}/output 2>&1 &
""",
        encoding="utf-8",
    )
    (programs / "systemctl").write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    for program in programs.iterdir():
        program.chmod(0o755)
    (tmp_path / "runtime/systemd").mkdir(parents=True)
    names = ["HF_TOKEN", "HF_ENDPOINT", "HF_HOME", "HTTPS_PROXY", "no_proxy", "SSL_CERT_FILE", "UV_INDEX_URL"]
    passed = {name: f"CANARY-{name}" for name in [*names, "PIP_FIND_LINKS", "CONCH_API_KEY"]}
    passed |= {"XDG_RUNTIME_DIR": str(tmp_path / "runtime"), "TMPDIR": str(tmp_path), "ODD": "\udcff\n海"}
    passed |= {"PATH": f"{programs}:{os.environ['PATH']}", "CONCH_FAULT": "slow-ready"}
    for name, value in passed.items():
        monkeypatch.setenv(name, value)
    said = small.script("sft", "small", "--detach", "--json")
    assert said.code == 0, said.err + (tmp_path / "output").read_text(encoding="utf-8")
    assert said.envelope["data"]["unit"].startswith("conch-run-")
    try:
        supervisor = run_lock.holder(small.project, "small")
        assert supervisor is not None
        seen = Path(f"/proc/{supervisor['pid']}/environ").read_bytes().split(b"\0")
    finally:
        small.run("stop", "small", "--now")
    expected = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    assert [name for name, value in expected.items() if os.fsencode(f"{name}={value}") not in seen] == []
    asked = (tmp_path / "asked").read_text(encoding="utf-8")
    assert "--property=KillMode=control-group" in asked
    assert "CANARY" not in asked, "a value is not for everybody's eyes"
    assert (tmp_path / "mode").read_text(encoding="utf-8") == "600\n"
    assert not list(tmp_path.glob("conch-start-*")), "neither file is left"
