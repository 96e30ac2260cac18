"""One recipe twice in one run: by `conch run`, and by a shell script over the very files that Conch rendered.

The script is what a person would write: llamafactory-cli train, llamafactory-cli export, vllm serve, wait
until it answers, curl the same questions. It stays in the folder of the measurement, to be read and run
again. Both find the base model and the environments in place; both engines are imported once before either
is timed, so that neither pays for a cold disk. Used by overhead.py and time_to_answer.py.

Between export and serving the script also makes the ids of Conch's proof of the export, which nobody would do
by hand: a step of its own, to be left out where Conch's proofs are.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from orchestrator.execute.host.machine import bound_cores

ROOT = Path(__file__).parents[1]
CONCH = Path(sys.executable).with_name("conch")
PARTS = ("recipes", "dataset_info", "chat_templates")
FOLDER = Path(tempfile.gettempdir()) / "conch-benchmark"
HEAD = """\
#!/bin/bash
# The run {run}, by hand.
set -eu
export HF_HUB_OFFLINE=1 DO_NOT_TRACK=1 VLLM_NO_USAGE_STATS=1 VLLM_HOST_IP=127.0.0.1 PYTHONUTF8=1
mkdir -p marks answers
mark() {{ date +%s.%N > "marks/$1"; }}
mark start
"""
SERVE = """
{command} > {name}.log 2>&1 &
server=$!
until curl -sf -o /dev/null http://127.0.0.1:{port}/v1/models; do kill -0 $server; sleep 0.2; done
mark {name}_ready
"""
ASK = "curl -sf -o answers/{name}.json -H 'Content-Type: application/json' -d @requests/{name}.json {url}\n"


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds.

    Attributes:
        recipe: its name.
        conch: the whole of `conch run`.
        stages: its stages.
        conch_ready: from the end of training to a server that answers.
        conch_answer: from the end of training to the first case in answers.jsonl.
        by_hand: the whole of the script.
        steps: its steps: train, export, and of each server its start and its questions.
        by_hand_answer: from the end of training to the last answer of the same case.

    by_hand and by_hand_answer hold the proof that is made by hand too.
    """

    recipe: str
    conch: float
    stages: Mapping[str, float]
    conch_ready: float
    conch_answer: float
    by_hand: float
    steps: Mapping[str, float]
    by_hand_answer: float

    @property
    def proofs(self) -> float:
        """The stages that prove, which a script by hand has nothing of."""
        proving = ("prove", "hashes", "score", "certify")
        return sum(seconds for name, seconds in self.stages.items() if name.startswith(proving))

    @property
    def proof_by_hand(self) -> float:
        """The ids of the export's proof, made by the script."""
        return self.steps["prove_export"]


def measured(doc: str) -> Measured:
    """Measure as the command line says, or read what an earlier measurement left."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--recipe", default="smoke")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="made anew; holds both runs")
    parser.add_argument(
        "--again", action="store_true", help="read the folder's last measurement, measure nothing"
    )
    words = parser.parse_args()
    kept = words.folder / "measured.json"
    if not words.again:
        shutil.rmtree(words.folder, ignore_errors=True)
        words.folder.mkdir(parents=True)
        result = measure(words.recipe, words.folder.absolute())
        kept.write_text(json.dumps(asdict(result), indent=1), encoding="utf-8")
    return Measured(**json.loads(kept.read_text(encoding="utf-8")))


def measure(recipe: str, folder: Path) -> Measured:
    """Both ways, one after the other, in an empty folder."""
    project = folder / "project"
    for part in PARTS:
        shutil.copytree(ROOT / part, project / part)
    resolved = _plan(recipe, project)
    places = {name: _environment(name, resolved["hardware"]) for name in ("train", "serve")}
    _say("fetching the base and importing both engines once")
    _pull(resolved["recipe"]["model"])
    subprocess.run([f"{places['train']}/bin/llamafactory-cli", "version"], check=True, stdout=sys.stderr)
    subprocess.run([f"{places['serve']}/bin/vllm", "--version"], check=True, stdout=sys.stderr)
    _say(f"conch run {recipe}")
    conch, answered = _by_conch(recipe, project)
    (run,) = (project / "runs" / recipe).glob("2*")
    events = _events(run)
    ended = {event["stage"]: event for event in events if event["event"] == "stage_ended"}
    ready = next(
        _time(event) for event in events if event["event"] == "service_ready" and event["stage"] == "ask"
    )
    trained = _time(ended["train"])
    hand = folder / "by_hand"
    write_script(run, hand, places)
    _say("the same by hand")
    began = time.time()
    subprocess.run(["bash", "by_hand.sh"], cwd=hand, check=True, stdout=sys.stderr, stderr=subprocess.STDOUT)
    by_hand = time.time() - began
    marks = {path.name: float(path.read_text(encoding="utf-8")) for path in (hand / "marks").iterdir()}
    order = sorted(marks, key=lambda name: marks[name])
    return Measured(
        recipe=recipe,
        conch=conch,
        stages={name: event["seconds"] for name, event in ended.items()},
        conch_ready=ready - trained,
        conch_answer=answered - trained,
        by_hand=by_hand,
        steps={name: marks[name] - marks[before] for before, name in pairwise(order)},
        by_hand_answer=marks["ask_first"] - marks["train"],
    )


def _by_conch(recipe: str, project: Path) -> tuple[float, float]:
    """Seconds that it took, and when the first answer of the tuned model was in its file."""
    began, answered = time.time(), 0.0
    with subprocess.Popen([CONCH, "run", recipe], cwd=project, stdout=sys.stderr) as process:
        while process.poll() is None:
            if not answered and _has_an_answer(project / "runs" / recipe):
                answered = time.time()
            time.sleep(0.05)
    if process.returncode != 0:
        raise SystemExit(f"conch run {recipe} ended with {process.returncode}: there is nothing to compare")
    return time.time() - began, answered


def _has_an_answer(runs: Path) -> bool:
    return any(path.stat().st_size for path in runs.glob("2*/answers.jsonl*"))


def write_script(run: Path, hand: Path, places: Mapping[str, str]) -> None:
    """The folder and the script that do by hand what a run did: its files, its commands, its questions."""
    places = {**places, "probes": str(ROOT / "orchestrator/probes")}
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    (hand / "requests").mkdir(parents=True)
    (hand / "inputs").mkdir()
    (hand / "inputs/base").symlink_to((run / "inputs/base").resolve())
    shutil.copytree(run / "data", hand / "data")
    lines = [HEAD.format(run=run.name)]
    for stage in plan["stages"]:
        name = stage["name"]
        if name not in ("train", "export", "prove_export") and not name.startswith("ask"):
            continue
        for file in stage["files"]:
            if not file["path"].startswith("tasks/"):
                (hand / file["path"]).write_text(file["text"], encoding="utf-8")
        if stage["service"]:
            lines += _serve_and_ask(stage, run, hand, places)
            continue
        lines += [f"mkdir -p {output}.partial-0\n" for output in stage["outputs"] if "/" in output]
        lines += [
            _shell(command, places) + "\n" for command in stage["commands"] if command["runtime"] != "conch"
        ]
        lines += [f"mv {output}.partial-0 {output}\n" for output in stage["outputs"]]
        lines.append(f"mark {name}\n")
    (hand / "by_hand.sh").write_text("".join(lines), encoding="utf-8")


def _serve_and_ask(
    stage: Mapping[str, Any], run: Path, hand: Path, places: Mapping[str, str]
) -> Iterator[str]:
    """Start the stage's server, ask what the run asked, end the server."""
    name, service = stage["name"], stage["service"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = _shell(service["command"], {**places, "port": str(port)})
    yield SERVE.format(command=command, name=name, port=port)
    settings = json.loads(next(file["text"] for file in stage["files"] if file["path"].startswith("tasks/")))
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    lines = [
        json.loads(line) for line in (run / stage["outputs"][0]).read_text(encoding="utf-8").splitlines()
    ]
    requests = [
        (line["case"], turn["messages"], stream)
        for line in lines
        for turn in line["turns"]
        for stream in ((False, True) if turn["streamed"] else (False,))
    ]
    first = sum(case == requests[0][0] for case, _, _ in requests)  # a case is judged when all of it is there
    for number, (_, messages, stream) in enumerate(requests, start=1):
        body = {"model": service["model"], "messages": messages, "stream": stream}
        body |= {"temperature": settings["temperature"], "max_tokens": settings["max_tokens"]}
        one = f"{name}-{number:03}"
        (hand / f"requests/{one}.json").write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
        yield ASK.format(name=one, url=url) + (f"mark {name}_first\n" if number == first else "")
    yield f"mark {name}_asked\nkill $server; wait $server || true\nmark {name}_ended\n"


def _shell(command: Mapping[str, Any], symbols: Mapping[str, str]) -> str:
    words = [f"{name}={value}" for name, value in command["env"].items()]
    words += command["argv"]
    for symbol, value in {"cores": bound_cores(), **symbols}.items():
        words = [word.replace("{" + symbol + "}", value) for word in words]
    return ("env " if command["env"] else "") + shlex.join(words)


def _plan(recipe: str, project: Path) -> dict[str, Any]:
    said = subprocess.run([CONCH, "plan", recipe, "--json"], cwd=project, check=True, capture_output=True)
    data: dict[str, Any] = json.loads(said.stdout)["data"]
    return data


def _pull(model: Mapping[str, Any]) -> None:
    """Have the base model in CONCH_HOME; a folder is where it is."""
    base, revision = model["base"], model["revision"]
    if base.startswith((".", "/")):
        return
    options = ["--hub", model["hub"]] + (["--revision", revision] if revision else [])
    subprocess.run(
        [CONCH, "pull", base, *(options if base != "embedded" else ())], check=True, stdout=sys.stderr
    )


def _environment(name: str, hardware: str) -> str:
    from orchestrator.execute.environments import registry

    return str(registry.require(name, hardware))


def _events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines()]


def _time(event: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()


def _say(text: str) -> None:
    print(f"── {text}", file=sys.stderr, flush=True)
