"""A run folder as the probes need it, and the probes as processes."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from orchestrator.execute.proving.token_parity import compare
from orchestrator.execute.runner.task import typed
from orchestrator.templates.generated import generated_conversations
from orchestrator.templates.writer import write_jinja

REPO = Path(__file__).parents[2]
PROBES = REPO / "orchestrator" / "probes"
# The genuine R1 tokenizer and the official templates, where they lie beside the clone.
SHARED = REPO.parent / "shared" / "data"
THINKING = {"on": True, "off": False, "mixed": None}
TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
ENTRY = {
    "formatting": "sharegpt",
    "columns": {"messages": "messages"},
    "tags": TAGS | {"system_tag": "system"},
}
COMPARED = {
    "name": "parity:data",
    "training_ids": "training_ids.jsonl",
    "serving_ids": "serving_ids.jsonl",
    "out": "parity.json",
}

Message = dict[str, str]


def turns(*texts: str) -> list[Message]:
    """Questions and answers in turn."""
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


@dataclass(frozen=True)
class Run:
    """train.yaml, data/ and inputs/base of one training."""

    path: Path
    train_python: Path
    serve_python: Path

    def lay_out(
        self,
        base: Path,
        rows: Sequence[Sequence[Message]],
        thinking: Any = "on",
        history: Any = "keep",
        *,
        made_up: Any = None,
        **settings: Any,
    ) -> None:
        (self.path / "data").mkdir(parents=True)
        (self.path / "inputs").mkdir()
        (self.path / "inputs" / "base").symlink_to(base)
        made = made_up or {"conch_generated": generated_conversations(0, 20, thinking != "off")}
        given = {"mine": rows, **made}
        for name, conversations in given.items():
            lines = [json.dumps({"messages": row}, ensure_ascii=False) for row in conversations]
            (self.path / "data" / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        with (self.path / "data" / "conversations.jsonl").open("w", encoding="utf-8") as together:
            for name, conversations in given.items():
                for at, row in enumerate(conversations):
                    line = {"dataset": name, "row": at, "messages": row}
                    together.write(json.dumps(line, ensure_ascii=False) + "\n")
        info = {name: ENTRY | {"file_name": f"{name}.jsonl"} for name in given}
        (self.path / "data" / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
        train = {
            "model_name_or_path": "inputs/base",
            "stage": "sft",
            "do_train": True,
            "finetuning_type": "lora",
            "dataset_dir": "data",
            "dataset": "mine",
            "template": "deepseekr1",
            "enable_thinking": THINKING[thinking],
            "mask_history": history == "strip",
            "cutoff_len": 512,
            "output_dir": "adapter",
        }
        (self.path / "train.yaml").write_text(yaml.safe_dump(train | settings), encoding="utf-8")
        jinja = write_jinja(settings.get("template", "deepseekr1"), thinking, history)
        (self.path / "chat_template.jinja").write_text(jinja, encoding="utf-8")

    def train_ids(self, datasets: str = "mine,conch_generated") -> subprocess.CompletedProcess[str]:
        argv = [str(PROBES / "training_ids.py"), *train_arguments(datasets)]
        return run_python(self.train_python, argv, self.path)

    def serve_ids(self, template: str = "chat_template.jinja") -> subprocess.CompletedProcess[str]:
        argv = [str(PROBES / "serving_ids.py"), *serve_arguments(template)]
        return run_python(self.serve_python, argv, self.path)

    def parity(self, serving: str = "serving_ids.jsonl") -> Mapping[str, Any]:
        """Compare, and read what came out."""
        code = compare(typed(compare, COMPARED | {"serving_ids": serving}), self.path)
        found: Mapping[str, Any] = json.loads((self.path / "parity.json").read_text(encoding="utf-8"))
        assert code == (0 if found["holds"] else 5)
        return found

    def trained(self) -> list[Any]:
        """The lines of training_ids.jsonl."""
        text = (self.path / "training_ids.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def problems(self) -> Any:
        return json.loads((self.path / "problems.json").read_text(encoding="utf-8"))


def train_arguments(datasets: str = "mine,conch_generated") -> list[str]:
    """The training probe's command line."""
    return ["train.yaml", "--datasets", datasets, "--out", "training_ids.jsonl"]


def serve_arguments(
    template: str = "chat_template.jinja", out: str = "serving_ids.jsonl", thinking: str = "on"
) -> list[str]:
    """The serving probe's command line."""
    where = ["--model", "inputs/base", "--chat-template", template]
    return [*where, "--thinking", thinking, "--conversations", "data/conversations.jsonl", "--out", out]


def run_many(python: Path, probe: str, jobs: Sequence[tuple[Path, Sequence[str]]]) -> None:
    """Run a probe once for each (folder, arguments), two at a time."""
    with ThreadPoolExecutor(2) as pool:
        script = str(PROBES / f"{probe}.py")
        for done in pool.map(lambda job: run_python(python, [script, *job[1]], job[0]), jobs):
            assert done.returncode == 0, done.stderr[-3000:]


ENGINES: dict[str, tuple[str, ...]] = {
    "training_ids": ("llamafactory.data.loader", "llamafactory.hparams", "llamafactory.model"),
    "serving_ids": ("vllm.renderers.online_renderer", "vllm.renderers.hf", "vllm.config.model"),
}
ENGINES |= dict.fromkeys(("preview_ids", "token_lengths"), ENGINES["training_ids"])
ENGINES |= {"stop_ids": ENGINES["serving_ids"], "merge_check": ("torch", "safetensors")}


@dataclass(frozen=True)
class EngineForks:
    """A process that has an engine imported, and forks for each probe (engine_forks.py)."""

    process: subprocess.Popen[str]
    folder: Path

    @classmethod
    def start(cls, python: Path, modules: Sequence[str]) -> EngineForks:
        """Import these, and wait for jobs."""
        folder = Path(tempfile.mkdtemp(prefix="conch-forks-"))
        offline = dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"), "1")
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONUTF8": "1", **offline}
        environment |= {"VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
        process = subprocess.Popen(
            [str(python), str(Path(__file__).with_name("engine_forks.py")), *modules],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            text=True,
        )
        forks = cls(process, folder)
        atexit.register(forks.end)
        return forks

    def end(self) -> None:
        """It ends when its input does."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(
        self, argv: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float = 900
    ) -> subprocess.CompletedProcess[str]:
        """A probe, to its end."""
        assert self.process.stdin
        apart = Path(tempfile.mkdtemp(dir=self.folder))
        files = {name: str(apart / name) for name in ("out", "err", "code")}
        job = {"argv": list(argv), "folder": str(folder), "environment": dict(environment), **files}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        deadline = time.monotonic() + timeout
        while not Path(files["code"]).exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(list(argv), timeout)
            time.sleep(0.02)
        code, out, err = (Path(files[name]).read_text(encoding="utf-8") for name in ("code", "out", "err"))
        return subprocess.CompletedProcess(list(argv), int(code), out, err)


@cache
def engine_forks(python: Path, modules: tuple[str, ...]) -> EngineForks:
    """The one of this session."""
    return EngineForks.start(python, modules)


def run_python(python: Path, argv: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """An engine's Python in an environment that holds nothing of the user's."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONUTF8": "1",
        "CONCH_PROBLEMS": str(folder / "problems.json"),
    }
    script = Path(argv[0])
    if script.parent == PROBES and script.stem in ENGINES and python != Path(sys.executable):
        return engine_forks(python, ENGINES[script.stem]).run(argv, folder, environment)
    command = [str(python), *argv]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
