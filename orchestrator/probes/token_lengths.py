"""How many tokens rows come to. Run by the train environment's Python in a run folder.

    python token_lengths.py train.yaml --rows rows.jsonl --out token_lengths.jsonl

LLaMA-Factory's own tokenizer and template encode every conversation of rows.jsonl ({"messages": […]} a line);
its dataset loader is not asked: of a statistic only the lengths matter, and this reads ten times as fast.

JSON lines: {"versions", "template", "cutoff_len"}, and for each row one list, the lengths of its questions
and answers in turn (question with all that the template puts around it, answer with its end); null for a row
that the template cannot encode. A document ({"role": "document"}) is an answer without a question.
"""

import argparse
import json
from pathlib import Path

from tokens import Row, offline, output, put, versions
from train_settings import ids_settings
from training_ids import Pipeline, make_pipeline


def main() -> None:
    """Write the file under a temporary name, and rename it."""
    parser = argparse.ArgumentParser(description="How many tokens rows come to.")
    parser.add_argument("train_yaml", help="the rendered LLaMA-Factory configuration")
    parser.add_argument("--rows", required=True, help="the conversations, one a line")
    parser.add_argument("--out", required=True, help="the JSON lines to write")
    arguments = parser.parse_args()
    offline()
    with ids_settings(arguments.train_yaml) as settings:
        pipeline = make_pipeline(settings)
    with output(arguments.out) as stream, Path(arguments.rows).open(encoding="utf-8") as rows:
        data_args = pipeline.data_args
        put(
            stream,
            {
                "versions": versions("llamafactory", "transformers", "tokenizers"),
                "template": data_args.template,
                "cutoff_len": data_args.cutoff_len,
            },
        )
        dropped = data_args.mask_history and not pipeline.template.preserve_thinking
        for line in rows:
            put(stream, lengths(json.loads(line)["messages"], pipeline, dropped=dropped))


def lengths(messages: list[Row], pipeline: Pipeline, *, dropped: bool) -> list[int] | None:
    """The lengths of a conversation's questions and answers in turn; `dropped`: earlier thoughts are."""
    if messages[0]["role"] == "document":
        return [0, len(pipeline.tokenizer.encode(messages[0]["content"], add_special_tokens=False))]
    system = messages[0]["content"] if messages[0]["role"] == "system" else ""
    turns = messages[messages[0]["role"] == "system" :]
    try:
        pairs = pipeline.template.encode_multiturn(pipeline.tokenizer, turns, system, "", dropped)
    except (ValueError, KeyError, TypeError, IndexError, NotImplementedError):
        return None
    end = len(pairs) - 1 if pipeline.template.efficient_eos else None
    found: list[int] = []
    for number, (source, target) in enumerate(pairs):
        found += [len(source), len(target) + (number == end)]
    return found


if __name__ == "__main__":
    main()
