"""A run folder as the probes need it, and the probes as processes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.execute.compare import compare
from orchestrator.templates.generated import generated_conversations
from orchestrator.templates.writer import write_jinja

PROBES = Path(__file__).parents[2] / "orchestrator" / "probes"
THINKING = {"on": True, "off": False, "mixed": None}
TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
ENTRY = {
    "formatting": "sharegpt",
    "columns": {"messages": "messages"},
    "tags": TAGS | {"system_tag": "system"},
}
COMPARED = {"training_ids": "training_ids.jsonl", "serving_ids": "serving_ids.jsonl", "out": "parity.json"}

Message = dict[str, str]


def turns(*texts: str) -> list[Message]:
    """Questions and answers in turn."""
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


@dataclass(frozen=True)
class RunFolder:
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
        **settings: Any,
    ) -> None:
        (self.path / "data").mkdir(parents=True)
        (self.path / "inputs").mkdir()
        (self.path / "inputs" / "base").symlink_to(base)
        made = generated_conversations(0, 20, thinking != "off")
        for name, conversations in (("mine", rows), ("conch_generated", made)):
            lines = [json.dumps({"messages": row}, ensure_ascii=False) for row in conversations]
            (self.path / "data" / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        info = {name: ENTRY | {"file_name": f"{name}.jsonl"} for name in ("mine", "conch_generated")}
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
            "val_size": 0.3,
            "output_dir": "adapter",
        }
        (self.path / "train.yaml").write_text(yaml.safe_dump(train | settings), encoding="utf-8")
        jinja = write_jinja("deepseekr1", thinking, history)
        (self.path / "chat_template.jinja").write_text(jinja, encoding="utf-8")

    def train_ids(self, datasets: str = "mine,conch_generated") -> subprocess.CompletedProcess[str]:
        argv = ["training_ids.py", "train.yaml", "--datasets", datasets, "--out", "training_ids.jsonl"]
        return self._run(self.train_python, argv)

    def serve_ids(
        self, template: str = "chat_template.jinja", *more: str
    ) -> subprocess.CompletedProcess[str]:
        argv = ["serving_ids.py", "--model", "inputs/base", "--chat-template", template, *more]
        argv += ["--conversations", "training_ids.jsonl", "--out", "serving_ids.jsonl"]
        return self._run(self.serve_python, argv)

    def parity(self, template: str = "chat_template.jinja") -> Mapping[str, Any]:
        """Serve, compare, and read what came out."""
        done = self.serve_ids(template)
        assert done.returncode == 0, done.stderr
        code = compare(COMPARED, self.path)
        found: Mapping[str, Any] = json.loads((self.path / "parity.json").read_text(encoding="utf-8"))
        assert code == (0 if found["holds"] else 5)
        return found

    def trained(self) -> list[Any]:
        """The lines of training_ids.jsonl."""
        text = (self.path / "training_ids.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def problems(self) -> Any:
        return json.loads((self.path / "problems.json").read_text(encoding="utf-8"))

    def _run(self, python: Path, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "PYTHONUTF8": "1",
            "CONCH_PROBLEMS": str(self.path / "problems.json"),
        }
        command = [str(python), str(PROBES / argv[0]), *argv[1:]]
        return subprocess.run(
            command, cwd=self.path, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
