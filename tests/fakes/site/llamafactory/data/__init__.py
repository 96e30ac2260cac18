"""Rows and their ids: template deepseekr1, thinking on, history kept; every answer is trained."""

from itertools import chain
from types import SimpleNamespace

from letters import BOS, EOS, Rows

from llamafactory.data.loader import _load_single_dataset
from llamafactory.data.parser import get_dataset_list
from llamafactory.extras.constants import IGNORE_INDEX

EMPTY_THOUGHT = "<think>\n\n</think>\n\n"


def get_template_and_fix_tokenizer(tokenizer: object, data_args: object) -> SimpleNamespace:
    """A template that stops at the end of a sentence."""
    return SimpleNamespace(
        enable_thinking=data_args.enable_thinking,
        preserve_thinking=False,
        efficient_eos=False,
        mm_plugin=SimpleNamespace(process_messages=lambda messages, *_: messages),
        encode_multiturn=encode_multiturn,
        get_stop_token_ids=lambda _: [2],
    )


def get_dataset(template: object, *sides: object, stage: str, tokenizer: object, **_: object) -> dict:
    """The rows of data_args.dataset as ids and labels; both answers of a pair, documents in blocks."""
    data_args = sides[1]
    (attributes,) = get_dataset_list(data_args.dataset, data_args.dataset_dir)
    rows = _load_single_dataset(attributes, *sides)
    if stage == "pt":
        texts = [tokenizer.encode(row["_prompt"][0]["content"] + EOS) for row in rows]
        return {"train_dataset": Rows({"input_ids": ids} for ids in in_blocks(texts, data_args))}
    encoded = {"rm": encode_pair, "ppo": encode_prompt, "kto": encode_rated}.get(stage, encode)
    return {"train_dataset": Rows(encoded(row, tokenizer) for row in rows)}


def in_blocks(texts: list, data_args: object) -> list:
    """The texts, or where they are packed, whole blocks of all of them."""
    if not data_args.packing:
        return texts
    ids, size = list(chain(*texts)), data_args.cutoff_len
    return [ids[at : at + size] for at in range(0, len(ids) - size + 1, size)]


def encode_pair(row: dict, tokenizer: object) -> dict:
    """A question with its better and its worse answer."""
    sides = zip(("chosen_", "rejected_"), row["_response"], strict=True)
    encoded = {side: encode({**row, "_response": [answer]}, tokenizer) for side, answer in sides}
    return {side + key: value for side, one in encoded.items() for key, value in one.items()}


def encode_rated(row: dict, tokenizer: object) -> dict:
    """A conversation with its rating."""
    return encode(row, tokenizer) | {"kto_tags": row["_tag"]}


def encode_prompt(row: dict, tokenizer: object) -> dict:
    """A prompt, and the answer apart."""
    whole = encode(row, tokenizer)
    answer = [label for label in whole["labels"] if label != IGNORE_INDEX]
    return {"input_ids": whole["input_ids"][: -len(answer)], "labels": answer}


def encode(row: dict, tokenizer: object) -> dict:
    """One conversation."""
    ids, labels = [], []
    messages = [*row["_prompt"], *row["_response"]]
    for source, target in encode_multiturn(tokenizer, messages, row["_system"], "", False):
        ids += source + target
        labels += [IGNORE_INDEX] * len(source) + target
    return {"input_ids": ids, "labels": labels}


def encode_multiturn(tokenizer: object, messages: list, system: str, *_: object) -> list:
    """Question and answer in ids, pair by pair."""
    pairs = []
    for place, message in enumerate(messages):
        text = message["content"]
        if message["role"] == "user":
            text = text.replace("{{idx}}", str(place // 2), 1)
            before = BOS + (system or "") if place == 0 else ""
            asked = tokenizer.encode(f"{before}<｜User｜>{text}<｜Assistant｜>")
        else:
            thought = "" if "<think>" in text or "</think>" in text else EMPTY_THOUGHT
            pairs.append((asked, tokenizer.encode(thought + text + EOS)))
    return pairs
