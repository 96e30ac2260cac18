"""Rows and their ids: template deepseekr1, thinking on, history kept; every answer is trained."""

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


def get_dataset(template: object, *sides: object, tokenizer: object, **_: object) -> dict:
    """The rows of data_args.dataset as ids and labels."""
    data_args = sides[1]
    (attributes,) = get_dataset_list(data_args.dataset, data_args.dataset_dir)
    rows = _load_single_dataset(attributes, *sides)
    return {"train_dataset": Rows(encode(row, tokenizer) for row in rows)}


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
