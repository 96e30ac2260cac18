"""A tokenizer that a test builds: a token a byte, R1's special tokens, in any layout of config files."""

from __future__ import annotations

import json
from pathlib import Path

SPECIAL = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>")
# The last is what Qwen2Tokenizer adds by itself where it is missing.
OTHERS = ("<think>", "</think>", "<|endoftext|>")
# DeepSeek-R1-Distill-Qwen as it is published.
PUBLISHED_CLASS = "LlamaTokenizerFast"


def letters() -> list[str]:
    """The letters that stand for the bytes in byte-level BPE."""
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + others.index(byte)) for byte in range(256)]


def make_byte_tokenizer(folder: Path, tokenizer_class: str, model_type: str | None) -> Path:
    """A folder with tokenizer.json, tokenizer_config.json and, with a model type, config.json."""
    folder.mkdir(parents=True)
    added = [
        {
            "id": 256 + number,
            "content": content,
            "special": content in SPECIAL,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
        }
        for number, content in enumerate((*SPECIAL, *OTHERS))
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "vocab": {letter: number for number, letter in enumerate(letters())},
            "merges": [],
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    config = {
        "tokenizer_class": tokenizer_class,
        "bos_token": SPECIAL[0],
        "eos_token": SPECIAL[1],
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    if model_type:
        known = {"model_type": model_type, "architectures": ["Qwen2ForCausalLM"]}
        (folder / "config.json").write_text(json.dumps(known), encoding="utf-8")
    return folder
