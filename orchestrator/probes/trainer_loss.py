"""The trainer's own loss of some rows, with the adapter and without. Run by the train environment's Python.

    python trainer_loss.py train.yaml --adapter adapter --ids proofs/data/training_ids.jsonl --rows 16 \
        --max-len 4096 --out proofs/scores/trainer_loss.jsonl

With QLoRA the server has the adapter in the full-precision base, and that is what is compared; `quantized` in
the header is the loss of the same adapter on the quantized base, as it was trained.

The model is what LLaMA-Factory trains: its `get_train_args` and `load_model` on the run's own train.yaml,
the finished adapter on top and not merged, in the precision of training; its collator makes the batches, one
row each, and CustomSeq2SeqTrainer.prediction_step the losses, in evaluation mode (no dropout). The base is
the same model with the adapter switched off; with full and freeze, where --adapter is the trained model, the
base is loaded after it.

Up to --rows trained rows and as many held-out ones, evenly spread over the file; of rows that are whole, of
text alone, and shorter than --max-len. Of a pair both answers; the base is the reference of its training. Of
rated answers as many liked ones as disliked ones. Of a document what is shorter than --max-len, from its
beginning. Never rows of conch_generated, which nobody trains. JSON lines:

    {"versions", "method", "compute_dtype", "weights_dtype", "max_len", "eligible": {"trained", "held_out"}}
     (and "quantized": {"bits", "trained", "held_out"} with QLoRA)
    {"dataset", "row", "held_out", "loss", "base_loss", "turns": [{"turn", "logprobs", "base_logprobs"}]}

`loss` is what the trainer returns; `logprobs` are natural logarithms of its own probabilities, one a label.
Not covered: what only exists across processes (DeepSpeed, FSDP): the model must fit where this runs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tokens import Row, offline, output, put, refuse, versions
from train_settings import model_settings

if TYPE_CHECKING:
    from torch import Tensor

MADE_UP, REJECTED = "conch_generated", "/rejected"
DIGITS = 6


def main() -> None:
    """Write the file under a temporary name, and rename it."""
    arguments = parse_arguments()
    offline()
    rows, eligible = choose(Path(arguments.ids), arguments.rows, arguments.max_len)
    with tempfile.TemporaryDirectory(prefix="conch-loss-") as scratch:
        scored, about = score(model_settings(arguments.train_yaml, scratch), arguments.adapter, rows)
    with output(arguments.out) as stream:
        put(stream, about | {"max_len": arguments.max_len, "eligible": eligible})
        for row in scored:
            put(stream, row)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="The trainer's own loss of some rows.")
    add = parser.add_argument
    add("train_yaml", help="the rendered LLaMA-Factory configuration")
    add("--adapter", required=True, help="the trained adapter; with full and freeze the trained model")
    add("--ids", required=True, help="training_ids.jsonl")
    add("--rows", type=int, default=16, help="at most so many trained rows, and so many held-out ones")
    add("--max-len", type=int, required=True, help="rows must be shorter: the server's max_model_len")
    add("--out", required=True, help="the JSON lines to write")
    return parser.parse_args()


def choose(path: Path, most: int, max_len: int) -> tuple[list[Row], dict[str, int]]:
    """(the rows to score, how many there were to choose from), trained ones first.

    Of each row only its place is kept while the file is read, so that memory hardly grows with rows.
    """
    places: dict[tuple[bool, bool | None], array[int]] = {}
    rows: list[Row] = []
    try:
        with path.open("rb") as stream:
            document = "blocks" in json.loads(stream.readline())
            stream.seek(0)
            for offset, row in lines_of(stream):
                whole = clipped(row, max_len) if document else row
                if fits(whole, max_len) and not row["dataset"].endswith(REJECTED):
                    places.setdefault((row["held_out"], row.get("liked")), array("q")).append(offset)
            rated = any(liked is not None for _, liked in places)
            for group in sorted(places, key=lambda group: (group[0], not group[1])):
                for offset in spread(places[group], most // 2 if rated else most):
                    stream.seek(offset)
                    found = map(json.loads, pair(stream))
                    rows += [clipped(row, max_len) if document else row for row in found]
    except (OSError, ValueError, KeyError, TypeError) as error:
        refuse(f"not the training ids that a run leaves: {error}", str(path), "prove the data again")
    eligible = {"trained": 0, "held_out": 0}
    for (held_out, _), offsets in places.items():
        eligible["held_out" if held_out else "trained"] += len(offsets)
    return [row for row in rows if fits(row, max_len)], eligible


def clipped(row: Row, max_len: int) -> Row:
    """The beginning of a document: its training saw no longer text than a block."""
    ids = row["ids"][: max_len - 1]
    turns = [turn | {"end": len(ids)} for turn in row["turns"] if turn["start"] < len(ids)]
    return row | {"ids": ids, "turns": turns}


def lines_of(stream: IO[bytes]) -> Iterator[tuple[int, Row]]:
    """(offset, row) of every line that is a row."""
    offset = 0
    for line in stream:
        if line.startswith(b'{"dataset"'):
            yield offset, json.loads(line)
        offset += len(line)


def pair(stream: IO[bytes]) -> list[bytes]:
    """The next line, and the one after it where that is the worse answer of the same row."""
    lines = [stream.readline(), stream.readline()]
    return lines if REJECTED.encode() + b'"' in lines[1][:200] else lines[:1]


def fits(row: Row, max_len: int) -> bool:
    """Whether the row is whole, of text alone, not made up, and leaves room for one answer token."""
    whole = not row["cut"] and not row["lost"] and not row["uncovered"] and row["turns"]
    return bool(whole) and row["dataset"] != MADE_UP and len(row["ids"]) < max_len


def spread(offsets: Sequence[int], most: int) -> list[int]:
    """At most so many of them, evenly from the first to the last.

    >>> spread([0, 1, 2, 3, 4, 5, 6, 7, 8], 3)
    [0, 4, 8]
    """
    if len(offsets) <= most:
        return list(offsets)
    step = (len(offsets) - 1) / max(1, most - 1)
    return [offsets[round(index * step)] for index in range(most)]


def score(settings: Row, adapter: str, rows: list[Row]) -> tuple[list[Row], Row]:
    """(the scored rows, the header's facts)."""
    method = settings.get("finetuning_type", "lora")
    if method == "lora" and settings.get("quantization_bit"):
        scorer = Scorer(settings | {"adapter_name_or_path": adapter})
        quantized = of_quantized(settings, rows, [scorer.row(row) for row in rows])
        del scorer  # one model at a time in memory
        plain = {key: value for key, value in settings.items() if "quantization" not in key}
        scored, about = score(plain, adapter, rows)
        return scored, about | {"quantized": quantized}
    if method == "lora":
        scorer = Scorer(settings | {"adapter_name_or_path": adapter})
        tuned = [scorer.row(row) for row in rows]
        with scorer.model.disable_adapter():
            base = [scorer.row(row) for row in rows]
    else:
        scorer = Scorer(settings | {"model_name_or_path": adapter})
        tuned = [scorer.row(row) for row in rows]
        about = scorer.about()
        del scorer  # one model at a time in memory
        scorer = Scorer(settings)
        base = [scorer.row(row) for row in rows]
        return joined(rows, tuned, base), about | {"method": method}
    return joined(rows, tuned, base), scorer.about() | {"method": method}


def of_quantized(settings: Row, rows: list[Row], tuned: list[Row]) -> Row:
    """{"bits", group: its mean loss a label} of the adapter on the quantized base, as it was trained."""
    losses: dict[str, list[float]] = {"trained": [], "held_out": []}
    for row, scores in zip(rows, tuned, strict=True):
        group = losses["held_out" if row["held_out"] else "trained"]
        group += [-value for logprobs in scores["logprobs"] for value in logprobs]
    means = {name: round(sum(each) / len(each), DIGITS) for name, each in losses.items() if each}
    return {"bits": settings["quantization_bit"], **means}


def joined(rows: list[Row], tuned: list[Row], base: list[Row]) -> list[Row]:
    """A line for each row."""
    return [
        {
            "dataset": row["dataset"],
            "row": row["row"],
            "held_out": row["held_out"],
            "loss": with_adapter["loss"],
            "base_loss": without["loss"],
            "turns": [
                {"turn": turn["turn"], "logprobs": mine, "base_logprobs": theirs}
                for turn, mine, theirs in zip(
                    row["turns"], with_adapter["logprobs"], without["logprobs"], strict=True
                )
            ],
        }
        for row, with_adapter, without in zip(rows, tuned, base, strict=True)
    ]


class Scorer:
    """LLaMA-Factory's trainer around the model, as run_sft makes it (train/sft/workflow.py)."""

    def __init__(self, settings: Row) -> None:
        from llamafactory.data import SFTDataCollatorWith4DAttentionMask, get_template_and_fix_tokenizer
        from llamafactory.extras.constants import IGNORE_INDEX
        from llamafactory.hparams import get_train_args
        from llamafactory.model import load_model, load_tokenizer
        from llamafactory.train.sft.trainer import CustomSeq2SeqTrainer

        model_args, data_args, training_args, finetuning_args, _ = get_train_args(dict(settings))
        module = load_tokenizer(model_args)
        template = get_template_and_fix_tokenizer(module["tokenizer"], data_args)
        self.model = load_model(module["tokenizer"], model_args, finetuning_args, is_trainable=True)
        self.ignore = IGNORE_INDEX
        collator = SFTDataCollatorWith4DAttentionMask(
            template=template,
            model=self.model,
            pad_to_multiple_of=8,
            label_pad_token_id=IGNORE_INDEX,
            block_diag_attn=model_args.block_diag_attn,
            neat_packing=data_args.neat_packing,
            attn_implementation=getattr(self.model.config, "_attn_implementation", None),
            compute_dtype=model_args.compute_dtype,
            **module,
        )
        self.trainer = CustomSeq2SeqTrainer(
            model=self.model,
            args=training_args,
            finetuning_args=finetuning_args,
            data_collator=collator,
            **module,
        )
        self.compute_dtype = str(model_args.compute_dtype).removeprefix("torch.")
        # Mixed precision is a wrapper that accelerate puts around the model's forward.
        self.wrapped = self.trainer.accelerator.prepare_model(self.model, evaluation_mode=True)
        self.wrapped.eval()

    def row(self, row: Row) -> Row:
        """{"loss", "logprobs": [one list for each trained answer]} of one row."""
        import torch

        ids = row["ids"]
        labels = [self.ignore] * len(ids)
        for turn in row["turns"]:
            labels[turn["start"] : turn["end"]] = ids[turn["start"] : turn["end"]]
        feature = {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels}
        media = {"images": None, "videos": None, "audios": None}
        batch = self.trainer.data_collator([feature | media])
        with torch.no_grad():
            loss, logits, _ = self.trainer.prediction_step(self.wrapped, batch, prediction_loss_only=False)
        logits = logits[0] if isinstance(logits, tuple) else logits
        return {
            "loss": round(float(loss), DIGITS),
            "logprobs": [self._of(logits[0], ids, t) for t in row["turns"]],
        }

    def _of(self, logits: Tensor, ids: list[int], turn: Row) -> list[float]:
        """The log probability of each label: it is predicted at the place before it."""
        import torch

        start, end = turn["start"], turn["end"]
        # A chunk at a time: a whole answer's float32 logits over the vocabulary may be gigabytes.
        told: list[float] = []
        for first in range(start, end, 256):
            last = min(end, first + 256)
            scores = torch.log_softmax(logits[first - 1 : last - 1].float(), dim=-1)
            wanted = torch.tensor(ids[first:last], device=scores.device)
            told += [round(value, DIGITS) for value in scores.gather(1, wanted[:, None])[:, 0].tolist()]
        return told

    def about(self) -> Row:
        """The header's facts of this model."""
        return {
            "versions": versions("llamafactory", "transformers", "torch", "peft"),
            "compute_dtype": self.compute_dtype,
            "weights_dtype": str(self.model.dtype).removeprefix("torch."),
        }


if __name__ == "__main__":
    main()
