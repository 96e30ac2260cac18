"""Turn the packaged GGUF model into a base that speaks DeepSeek-R1's format: a stand-in, not DeepSeek-R1.

Run by the train environment's Python: `python convert_embedded.py SOURCE.gguf OUT_FOLDER`. Same input, same
bytes. Prints one JSON object. Covered: weights (float32 safetensors), tokenizer, config, generation config.
Not covered: a chat template; the base has none, so that nobody serves it with one that was not proven.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoModelForCausalLM, GenerationConfig

# id → (R1's token, is it "special", the row it starts from, the word that tells it from that row).
# The embeddings are tied: a token whose row merely copied another's could never be told from it, however
# long one trains. A part of a word's row keeps the two apart; taking only a part of the source keeps the
# untuned model from saying these tokens of its own accord.
RENAMED: dict[int, tuple[str, bool, str, str]] = {
    3: ("<｜begin▁of▁sentence｜>", True, "<|im_start|>", "system"),
    4: ("<｜end▁of▁sentence｜>", True, "<|im_end|>", "end"),
    5: ("<｜User｜>", True, "<|im_start|>", "user"),
    6: ("<｜Assistant｜>", True, "<|im_start|>", "Ġassistant"),
    7: ("<think>", False, "<|im_start|>", "think"),
    8: ("</think>", False, "<|im_end|>", "answer"),
}
SOURCE_SHARE, WORD_SHARE = 0.6, 0.5
RESERVED = 17
PAD, BOS, EOS, IM_END = 0, 3, 4, 2
MAX_LENGTH = 8192


def strings(reader: GGUFReader, key: str) -> list[str]:
    """A list of strings of the GGUF's header."""
    field = reader.fields[key]
    return [bytes(field.parts[index]).decode("utf-8") for index in field.data]


def build_tokenizer(tokens: list[str], merges: list[str]) -> Tokenizer:
    """SmolLM2's byte-level BPE with digits apart; R1's tokens in six reserved places, and its leading bos."""
    names = [RENAMED[index][0] if index in RENAMED else token for index, token in enumerate(tokens)]
    pairs = [tuple(merge.split(" ")) for merge in merges]
    tokenizer = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=pairs))
    # Newlines stand together and apart from what follows, as in R1's own tokenizer: the trainer encodes the
    # empty thought's blank line by itself, and only so does a server, given the whole text, encode it alike.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split(Regex(r"\s*[\r\n]+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    bos = names[BOS]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos} $B:1", special_tokens=[(bos, BOS)]
    )
    for index in range(RESERVED):
        special = RENAMED[index][1] if index in RENAMED else True
        added = AddedToken(names[index], normalized=False, special=special)
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([added])
    return tokenizer


def tokenizer_config(names: dict[int, str]) -> dict[str, object]:
    """Only what both engines must agree on; the class loads tokenizer.json as it stands, in every version."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": names[BOS],
        "eos_token": names[EOS],
        "pad_token": names[PAD],
        "clean_up_tokenization_spaces": False,
        "model_max_length": MAX_LENGTH,
    }


def rewrite_rows(weight: torch.Tensor, ids: dict[str, int]) -> None:
    """Give the renamed tokens their rows, in place."""
    before = weight.clone()
    for index, (_, _, source, word) in RENAMED.items():
        weight[index] = SOURCE_SHARE * before[ids[source]] + WORD_SHARE * before[ids[word]]


def convert(source: Path, out: Path) -> dict[str, object]:
    """Write the base model into `out`; returns what was made, for the log."""
    reader = GGUFReader(str(source))
    tokens = strings(reader, "tokenizer.ggml.tokens")
    tokenizer = build_tokenizer(tokens, strings(reader, "tokenizer.ggml.merges"))
    model = AutoModelForCausalLM.from_pretrained(
        str(source.parent), gguf_file=source.name, dtype=torch.float32
    )
    with torch.no_grad():
        rewrite_rows(model.get_input_embeddings().weight, {token: i for i, token in enumerate(tokens)})
    model.config.bos_token_id, model.config.eos_token_id, model.config.pad_token_id = BOS, EOS, PAD
    # The untouched base still ends its answers with ChatML's token: stop there too.
    model.generation_config = GenerationConfig(bos_token_id=BOS, eos_token_id=[EOS, IM_END], pad_token_id=PAD)
    model.save_pretrained(out)
    tokenizer.save(str(out / "tokenizer.json"))
    names = {index: tokenizer.id_to_token(index) for index in (PAD, BOS, EOS)}
    text = json.dumps(tokenizer_config(names), ensure_ascii=False, indent=2)
    (out / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")
    return {
        "tokens": tokenizer.get_vocab_size(),
        "parameters": int(sum(np.prod(p.shape) for p in model.parameters())),
    }


if __name__ == "__main__":
    print(json.dumps(convert(Path(sys.argv[1]), Path(sys.argv[2]))))
