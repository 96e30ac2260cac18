"""The early engine: it becomes the first process that spawn starts, or spawn goes its usual way."""
# Covers probes/engines/warm_vllm.py

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

PROBE = Path(__file__).parents[2] / "orchestrator/probes/engines/warm_vllm.py"
SPAWN_TWO = """
import json, multiprocessing, os, sys
sys.path.insert(0, {probes!r})
import warm_vllm

def child(queue, text):
    queue.put([os.getpid(), text, os.environ.get("LATER"), os.environ.get("OMP_NUM_THREADS")])

if __name__ == "__main__":
    engine = warm_vllm.Early("engine")
    warm_vllm.hand_over(engine)
    os.environ.update({later!r})
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    said = []
    for text in ("神", "奇"):
        process = context.Process(target=child, args=(queue, text))
        process.start()
        said.append(queue.get(timeout=20))
        process.join()
        said.append(process.exitcode)
    print(json.dumps([engine.pid, said]))
"""


def spawn_two(folder: Path, later: dict[str, str]) -> tuple[int, Any]:
    script = folder / "main.py"
    script.write_text(SPAWN_TWO.format(probes=str(PROBE.parent), later=later), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, timeout=60, check=True, text=True
    )
    early, said = json.loads(done.stdout)
    return early, said


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and "(zombie)" not in Path(f"/proc/{pid}/status").read_text(
        encoding="utf-8"
    )


def test_the_first_spawned_process_is_the_one_that_waited(tmp_path: Path) -> None:
    early, (first, first_code, second, second_code) = spawn_two(tmp_path, {"LATER": "set afterwards"})
    assert first == [early, "神", "set afterwards", None]
    assert second[0] != early
    assert (second[1], first_code, second_code) == ("奇", 0, 0)


def test_a_setting_that_counts_at_load_sends_spawn_its_usual_way(tmp_path: Path) -> None:
    early, (first, first_code, _, _) = spawn_two(tmp_path, {"OMP_NUM_THREADS": "3"})
    assert first[0] != early
    assert first[3] == "3"
    assert first_code == 0
    assert not is_alive(early)


@pytest.mark.parametrize("word", ["", "\n"], ids=["end of file", "empty line"])
def test_without_a_word_everything_ends_well(word: str, tmp_path: Path) -> None:
    """Here vllm cannot even be imported: warming must not be able to fail."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(PROBE)], input=word, cwd=tmp_path, timeout=30, check=True, text=True
    )
    assert done.returncode == 0
    assert time.monotonic() - began < 20


def test_a_killed_server_takes_its_waiting_engine_along(tmp_path: Path) -> None:
    server = subprocess.Popen([sys.executable, str(PROBE)], cwd=tmp_path, stdin=subprocess.PIPE)
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    deadline = time.monotonic() + 10
    while not children.read_text(encoding="utf-8").split():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    engine = int(children.read_text(encoding="utf-8").split()[0])
    server.kill()
    server.communicate()
    while is_alive(engine):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert os.getpid() != engine
