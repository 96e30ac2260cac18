"""Token ids as LLaMA-Factory makes them for training. Run by the train environment's Python in a run folder.

    python training_ids.py train.yaml --datasets magic_conch,conch_generated --out proofs/training_ids.jsonl

Every id comes out of LLaMA-Factory's own `get_train_args`, `load_tokenizer`, `get_template_and_fix_tokenizer`
and `get_dataset`, on the very train.yaml that will be trained. What changes no id (evaluation,
precision, output folder, loggers) is neutralised, so that the probe runs on any machine.

JSON lines: a header, one line for each kept row, and last the text of every id used:

    {"versions", "tokenizer", "bos_token_id", "eos_token_id", "published", "stop_token_ids", "template",
     "thinking",
     "mask_history", "cutoff_len", "datasets": {name: {"rows", "kept"}}, "rows", "kept", "round_trip",
     "texts"}
    {"dataset", "row", "ids", "turns": [{"turn", "start", "end", "cut"}], "cut", "lost", "held_out",
     "uncovered"}
    {"pieces": {id: token}}

`row` is the row's number in the dataset's source, from the conversations.jsonl beside dataset_info.json, or
else counts from 0 in LLaMA-Factory's file, dropped rows included. `turn` counts the answers from 0; a trained
answer's labels are ids[start:end], its context ids[:start]. A turn is `cut` when cutoff_len changed its
context. `lost` says what cutoff_len took: null, or

    {"tokens", "turns": [{"turn", "context", "labels", "thought_open"}]}

`held_out` rows are not trained: those of datasets that train.yaml does not name as `dataset`. What is made
up to be compared (conch_generated) is neither.

A pair of stage dpo makes two lines, the better answer as dataset NAME and the worse as NAME/rejected, by
LLaMA-Factory's own pairwise processor. Rows of stages dpo and kto are trained on their last answer alone;
those of kto also have "liked". A row of stage ppo is its prompt, by LLaMA-Factory's own unsupervised
processor, and after it the answer of the data, which is only compared. A document of stage pt has one turn,
all that follows its first token; documents are joined and cut into blocks, so the header says what is left:
"blocks": {"tokens": of all documents, "trained": in whole blocks}.

Rows are read batch by batch from the file that `datasets` keeps them in: memory does not grow with them.
Not covered: packing of conversations, and media (such rows are named in `uncovered`).
"""

from __future__ import annotations

import argparse
import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tokens import Row, decode, fixed_texts, offline, output, pieces, put, refuse, round_trip, versions
from train_settings import ids_settings

if TYPE_CHECKING:
    from datasets import Dataset
    from llamafactory.data.processor.processor_utils import DatasetProcessor
    from llamafactory.data.template import Template
    from llamafactory.hparams import DataArguments, ModelArguments, TrainingArguments
    from llamafactory.model.loader import TokenizerModule
    from transformers import PreTrainedTokenizerBase

ROW = ("_prompt", "_response", "_system", "_tools", "_images", "_videos", "_audios")
# What get_dataset calls the rows of a stage (train/dpo/workflow.py).
STAGES = {"dpo": "rm"}
ANSWERS = {"rm": (("chosen_", ""), ("rejected_", "/rejected"))}
UNCUT = 1 << 30
BATCH = 1000
MADE_UP = "conch_generated"
# What is rendered to be compared, or held out of a fine-tuning: conversations, whatever is trained.
COMPARED = (MADE_UP, "conch_held_out")
ENCODED = (
    "kto_tags",
    *(f"{prefix}{name}" for prefix in ("", "chosen_", "rejected_") for name in ("input_ids", "labels")),
)


def main() -> None:
    """Write the file under a temporary name, and rename it."""
    arguments = parse_arguments()
    offline()
    with ids_settings(arguments.train_yaml) as settings:
        trained = named(settings["dataset"])
        names = [name for name in arguments.datasets.split(",") if name] or trained
        # A dataset that is only compared may have no rows.
        names = [name for name in names if name in trained or has_rows(settings, name)]
        with output(arguments.out) as stream:
            write(settings, names, stream, mask_history=arguments.mask_history)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Token ids as LLaMA-Factory makes them for training.")
    parser.add_argument("train_yaml", help="the rendered LLaMA-Factory configuration")
    parser.add_argument("--datasets", default="", help="names in dataset_info.json; default: train.yaml's")
    parser.add_argument(
        "--mask-history",
        action="store_true",
        help="what is only compared drops earlier thoughts; for stages that refuse the setting of this name",
    )
    parser.add_argument("--out", required=True, help="the JSON lines to write")
    return parser.parse_args()


def has_rows(settings: Row, name: str) -> bool:
    """Whether a file of our own, NAME.jsonl beside dataset_info.json, holds anything."""
    path = Path(settings["dataset_dir"]) / f"{name}.jsonl"
    return not path.is_file() or path.stat().st_size > 0


def named(value: str | Sequence[str]) -> list[str]:
    """LLaMA-Factory's `dataset` as a list of names."""
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else list(value)


@dataclass
class Pipeline:
    """LLaMA-Factory's parts, made by its own functions, and the ids that were seen."""

    template: Template
    model_args: ModelArguments
    data_args: DataArguments
    training_args: TrainingArguments
    module: TokenizerModule
    published: Mapping[str, int | None]
    stage: str
    used: set[int] = field(default_factory=set)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer that training uses."""
        return self.module["tokenizer"]

    @property
    def last_alone(self) -> bool:
        """Whether only the last answer of a row is trained."""
        return self.stage != "sft" or self.data_args.mask_history

    def encoder(self, data_args: DataArguments) -> DatasetProcessor:
        """The processor of rows that get_dataset would take."""
        from llamafactory.data import loader

        choose = loader._get_dataset_processor  # noqa: SLF001 - it has no public name
        return choose(data_args, self.stage, self.template, self.tokenizer, self.module["processor"])


def make_pipeline(settings: Row) -> Pipeline:
    """Everything that run_sft makes before its dataset."""
    from llamafactory.data import get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    model_args, data_args, training_args, _, _ = get_train_args(dict(settings))
    module = load_tokenizer(model_args)
    published = {key: getattr(module["tokenizer"], key) for key in ("bos_token_id", "eos_token_id")}
    template = get_template_and_fix_tokenizer(module["tokenizer"], data_args)
    stage = str(settings["stage"])
    stage = STAGES.get(stage, stage)
    return Pipeline(template, model_args, data_args, training_args, module, published, stage)


def write(settings: Row, names: Sequence[str], stream: IO[str], *, mask_history: bool) -> None:
    """Load everything LLaMA-Factory's way, and write header, rows and pieces."""
    pipeline = make_pipeline(settings)
    data_args, stage = pipeline.data_args, pipeline.stage
    data_args.mask_history |= mask_history
    limits = (data_args.max_samples, data_args.cutoff_len)
    trained = named(settings["dataset"])
    extra = {"blocks": blocks(pipeline, trained)} if stage == "pt" else {}
    if stage == "pt":
        data_args.packing, limits = False, (limits[0], UNCUT)
    loaded = {}
    for name in names:
        data_args.dataset = [name]
        pipeline.stage = "sft" if name in COMPARED else stage
        # What is only compared is not trained: nothing of it is left out or cut.
        data_args.max_samples, data_args.cutoff_len = limits if name in trained else (None, UNCUT)
        loaded[name] = load(name, pipeline)
    data_args.cutoff_len = limits[1]
    counts = {name: {"rows": len(rows), "kept": len(kept)} for name, (rows, kept, _) in loaded.items()}
    put(stream, header(pipeline, counts) | extra)
    numbers = source_rows(Path(data_args.dataset_dir) / "conversations.jsonl")
    for name, (rows, kept, indexes) in loaded.items():
        data_args.cutoff_len = limits[1] if name in trained else UNCUT
        if name in numbers and len(rows) > len(numbers[name]):
            what = f"it holds {len(rows)} rows, {len(numbers[name])} were prepared"
            refuse(what, f"{data_args.dataset_dir}/{name}.jsonl", "prepare the data again")
        pipeline.stage = "sft" if name in COMPARED else stage
        held_out = {"held_out": name not in (*trained, MADE_UP)}
        for index, row, encoded in in_step(rows, kept, indexes):
            number = numbers[name][index] if name in numbers else index
            for prefix, suffix in ANSWERS.get(pipeline.stage, (("", ""),)):
                place = {"dataset": name + suffix, "row": number}
                put(stream, place | record(row, encoded, pipeline, prefix) | held_out)
    put(stream, pieces(pipeline.tokenizer, pipeline.used))


def blocks(pipeline: Pipeline, names: Sequence[str]) -> Row:
    """How many tokens the documents hold, and how many of them are in whole blocks, which are trained."""
    from llamafactory.data import get_dataset

    data_args = pipeline.data_args
    data_args.dataset = list(names)
    sides = (pipeline.model_args, data_args, pipeline.training_args)
    tokens: list[int] = []
    for packing, length in ((False, UNCUT), (data_args.packing, data_args.cutoff_len)):
        data_args.packing, data_args.cutoff_len = packing, length
        try:
            kept = get_dataset(pipeline.template, *sides, stage="pt", **pipeline.module)["train_dataset"]
        except RuntimeError:  # "Cannot find sufficient samples": not one block
            what = f"the documents hold {tokens[0]} tokens, too few for one block of {data_args.cutoff_len}"
            refuse(what, ", ".join(names), "lower data.cutoff_len, or add documents")
        tokens.append(sum(len(row["input_ids"]) for row in batched(kept, ("input_ids",))))
    return {"tokens": tokens[0], "trained": tokens[1]}


def in_step(rows: Dataset, kept: Dataset, indexes: Sequence[int]) -> Iterator[tuple[int, Row, Row]]:
    """(index in the file, aligned row, encoded row) of every kept row, read in batches."""
    aligned = zip(count(), batched(rows, ROW), strict=False)
    for index, encoded in zip(indexes, batched(kept, ENCODED), strict=True):
        row = next(row for at, row in aligned if at == index)
        yield index, row, encoded


def batched(dataset: Dataset, columns: Sequence[str]) -> Iterator[Row]:
    """A dataset's rows, some columns of them; far quicker than to ask for one after the other."""
    chosen = dataset.select_columns([name for name in columns if name in dataset.column_names])
    for batch in chosen.with_format("arrow").iter(BATCH):
        yield from batch.to_pylist()


def source_rows(path: Path) -> Mapping[str, Sequence[int]]:
    """Dataset → the source's number of each row of LLaMA-Factory's file; nothing when no file tells."""
    numbers: dict[str, array[int]] = {}
    if path.is_file():
        with path.open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                numbers.setdefault(row["dataset"], array("q")).append(row["row"])
    return numbers


def load(name: str, pipeline: Pipeline) -> tuple[Dataset, Dataset, Sequence[int]]:
    """(aligned rows, encoded rows that get_dataset keeps, index in the file of each kept row)."""
    from llamafactory.data import get_dataset, loader
    from llamafactory.data.parser import get_dataset_list

    pipe, data_args = pipeline, pipeline.data_args
    (attributes,) = get_dataset_list([name], data_args.dataset_dir)
    where = f"{data_args.dataset_dir}/dataset_info.json: {name}"
    if attributes.num_samples is not None:
        refuse("num_samples draws rows at random: their place is lost", where, "use data.max_samples")
    if attributes.formatting == "openai":
        what = "LLaMA-Factory adds 'detailed thinking off' to the system message of formatting openai"
        refuse(what, where, "use formatting sharegpt with role and content as tags")
    sides = (pipe.model_args, data_args, pipe.training_args)
    kept = get_dataset(pipe.template, *sides, stage=pipe.stage, **pipe.module)["train_dataset"]
    rows = loader._load_single_dataset(attributes, *sides)  # noqa: SLF001 - rows before any is dropped
    if len(kept) == len(rows):
        return rows, kept, range(len(rows))
    encode = pipe.encoder(data_args).preprocess_dataset
    indexes = [index for index in range(len(rows)) if encode(rows[index : index + 1])]
    if len(indexes) != len(kept):
        refuse(f"LLaMA-Factory keeps {len(kept)} rows together but {len(indexes)} one by one", where)
    return rows, kept, indexes


def header(pipeline: Pipeline, counts: Mapping[str, Mapping[str, int]]) -> Row:
    """What was used, and whether the tokenizer gives back what it was given."""
    template, tokenizer, data_args = pipeline.template, pipeline.tokenizer, pipeline.data_args
    return {
        "versions": versions("llamafactory", "transformers", "tokenizers", "datasets"),
        "tokenizer": type(tokenizer).__name__,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        # Before the template replaced any.
        "published": pipeline.published,
        "stop_token_ids": sorted(template.get_stop_token_ids(tokenizer)),
        "template": data_args.template,
        "thinking": getattr(template, "enable_thinking", None),
        "mask_history": data_args.mask_history and not getattr(template, "preserve_thinking", False),
        "cutoff_len": data_args.cutoff_len,
        "datasets": counts,
        "rows": sum(count["rows"] for count in counts.values()),
        "kept": sum(count["kept"] for count in counts.values()),
        "round_trip": round_trip(tokenizer),
        "texts": fixed_texts(tokenizer),
    }


def record(row: Row, encoded: Row, pipeline: Pipeline, prefix: str) -> Row:
    """The line of one kept row, its place aside; `prefix`: of the columns of a pair's answer."""
    data_args, (ids, labels) = pipeline.data_args, whole_text(encoded, pipeline, prefix)
    if pipeline.stage == "pt":
        pipeline.used.update(ids)
        turn = {"turn": 0, "start": 1, "end": len(ids), "cut": False}
        return {"ids": ids, "turns": [turn], "cut": False, "lost": None, "uncovered": ""}
    turns, lost = turns_of(labels), None
    first = (len(row["_prompt"]) - 1) // 2 if pipeline.last_alone else 0
    for place, turn in enumerate(turns, start=first):
        turn["turn"] = place
    # LLaMA-Factory fills a cut row up to cutoff_len; one token of slack for its rounding.
    if len(ids) >= data_args.cutoff_len - 1:
        lost = what_was_cut(turns, ids, uncut(row, pipeline, prefix), pipeline.tokenizer, first)
    pipeline.used.update(ids)
    rated = {"liked": encoded["kto_tags"]} if "kto_tags" in encoded else {}
    line = {"ids": ids, "turns": turns, "cut": lost is not None, "lost": lost, "uncovered": uncovered(row)}
    return line | rated


def whole_text(encoded: Row, pipeline: Pipeline, prefix: str = "") -> tuple[list[int], list[int]]:
    """(ids, labels) of an encoded row; of stage ppo the prompt, and after it the data's answer."""
    from llamafactory.extras.constants import IGNORE_INDEX

    ids, labels = encoded[f"{prefix}input_ids"], encoded.get(f"{prefix}labels", [])
    if pipeline.stage != "ppo":
        return ids, labels
    return [*ids, *labels], [*([IGNORE_INDEX] * len(ids)), *labels]


def uncut(row: Row, pipeline: Pipeline, prefix: str) -> tuple[list[int], list[int]]:
    """The row encoded once more, without the cutoff: its ids and labels."""
    unlimited = copy(pipeline.data_args)
    unlimited.cutoff_len = UNCUT
    encoded = pipeline.encoder(unlimited).preprocess_dataset({key: [value] for key, value in row.items()})
    return whole_text({key: values[0] for key, values in encoded.items()}, pipeline, prefix)


def turns_of(labels: Sequence[int]) -> list[Row]:
    """The labelled stretches."""
    from llamafactory.extras.constants import IGNORE_INDEX

    turns: list[Row] = []
    inside = False
    for position, label in enumerate(labels):
        if inside == (label == IGNORE_INDEX):
            inside = not inside
            if inside:
                turns.append({"turn": 0, "start": position, "end": len(labels), "cut": False})
            else:
                turns[-1]["end"] = position
    return turns


def what_was_cut(
    turns: list[Row],
    ids: Sequence[int],
    whole: tuple[Sequence[int], Sequence[int]],
    tokenizer: PreTrainedTokenizerBase,
    first: int,
) -> Row | None:
    """Mark the turns whose context the cutoff changed, and say what it took; None when it took nothing.

    Args:
        turns: of the row as it is trained.
        ids: of the row as it is trained.
        whole: the same row encoded without a cutoff: ids and labels.
        tokenizer: reads what is left of an answer.
        first: the number of the first turn that is trained.
    """
    complete, all_ids = turns_of(whole[1]), whole[0]
    if ids == all_ids:
        return None
    lost, kept_end, whole_end = [], 0, 0
    for place, uncut in enumerate(complete):
        turn = turns[place] if place < len(turns) else {"start": len(ids), "end": len(ids)}
        turn["cut"] = ids[: turn["start"]] != all_ids[: uncut["start"]]
        lengths = [one["end"] - one["start"] for one in (uncut, turn)]
        labels = lengths[0] - lengths[1]
        context = (uncut["start"] - whole_end) - (turn["start"] - kept_end)
        kept_end, whole_end = turn["end"], uncut["end"]
        if context or labels:
            left = labels > 0 and thought_open(tokenizer, ids[turn["start"] : turn["end"]])
            lost.append({"turn": first + place, "context": context, "labels": labels, "thought_open": left})
    return {"tokens": len(all_ids) - len(ids), "turns": lost}


def thought_open(tokenizer: PreTrainedTokenizerBase, kept: Sequence[int]) -> bool:
    """Whether what is left of an answer opens a thought that it does not close."""
    text = decode(tokenizer, list(kept))
    return "<think>" in text and "</think>" not in text


def uncovered(row: Row) -> str:
    """What a row holds that the comparison does not cover; empty for text and tools."""
    return ", ".join(key.strip("_") for key in ("_images", "_videos", "_audios") if row.get(key))


if __name__ == "__main__":
    main()
