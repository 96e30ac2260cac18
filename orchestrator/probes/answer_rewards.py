"""The scores that a reward model gives to answers. Run by the train environment's Python in a run folder.

    python answer_rewards.py train.yaml --base inputs/base --reward inputs/reward --out scores.jsonl \
        before=eval/test-base/predictions.jsonl after=eval/test-tuned/predictions.jsonl

An answer is encoded with its conversation by the template of train.yaml, as a training encodes it; one that
was cut off has no end. Its score is that of its last token (model_values.py). JSON lines, those of `before`
and `after` mixed; an answer with an error has none:

    {"when", "dataset", "row", "question", "score", "answer"}
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from model_values import scorer
from tokens import Row, offline, output, put
from train_settings import ids_settings

if TYPE_CHECKING:
    from llamafactory.data.template import Template
    from transformers import PreTrainedTokenizerBase


def main() -> None:
    """Write the file under a temporary name, and rename it."""
    import torch

    arguments = parse_arguments()
    offline()
    with ids_settings(arguments.train_yaml) as settings:
        tokenizer, template = encoder(settings | {"model_name_or_path": arguments.base})
    score = scorer(Path(arguments.reward))
    with torch.no_grad(), output(arguments.out) as stream:
        for word in arguments.answers:
            when, _, path = word.partition("=")
            for line in Path(path).read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                ids = encoded(row, tokenizer, template)
                value = None if row["error"] else round(score(torch.tensor([ids])), 6)
                place = {"when": when, "dataset": row["dataset"], "row": row["row"]}
                put(stream, place | {"question": row["prompt"], "score": value, "answer": row["predict"]})


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="The scores that a reward model gives to answers.")
    add = parser.add_argument
    add("train_yaml", help="the rendered LLaMA-Factory configuration, for its template")
    add("--base", required=True, help="the folder of the base, for its tokenizer")
    add("--reward", required=True, help="the folder of the exported reward model")
    add("--out", required=True, help="the JSON lines to write")
    add("answers", nargs="+", help="WHEN=FILE of predictions")
    return parser.parse_args()


def encoder(settings: Row) -> tuple[PreTrainedTokenizerBase, Template]:
    """LLaMA-Factory's tokenizer and template of a training."""
    from llamafactory.data import get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    model_args, data_args, _, _, _ = get_train_args(settings)
    tokenizer = load_tokenizer(model_args)["tokenizer"]
    return tokenizer, get_template_and_fix_tokenizer(tokenizer, data_args)


def encoded(row: Row, tokenizer: PreTrainedTokenizerBase, template: Template) -> list[int]:
    """A conversation and its answer, as LLaMA-Factory encodes them."""
    system = "\n".join(one["content"] for one in row["messages"] if one["role"] == "system") or None
    turns = [dict(one) for one in row["messages"] if one["role"] != "system"]
    thought = f"<think>\n{row['thinking']}\n</think>\n\n" if row["thinking"] else ""
    answer = {"role": "assistant", "content": thought + row["predict"]}
    prompt, response = template.encode_oneturn(tokenizer, [*turns, answer], system, None)
    if template.efficient_eos:
        response = [*response, tokenizer.eos_token_id]
    if row["finish_reason"] == "length" and response and response[-1] == tokenizer.eos_token_id:
        response = response[:-1]
    return [*prompt, *response]


if __name__ == "__main__":
    main()
