"""Token ids as LLaMA-Factory makes them for training. Run by the train environment's Python in a run folder.

    python training_ids.py train.yaml --datasets magic_conch,conch_generated --out proofs/training_ids.jsonl

Every id comes out of LLaMA-Factory's own `get_train_args`, `load_tokenizer`, `get_template_and_fix_tokenizer`
and `get_dataset`, on the very train.yaml that will be trained. What does not change an id (validation share,
evaluation, precision, output folder, loggers) is neutralised, so that the probe runs on any machine.

JSON lines: a header, one line for each kept row, and last the text of every id used:

    {"versions", "tokenizer", "eos_token_id", "bos_token_id", "stop_token_ids", "template", "thinking",
     "mask_history", "cutoff_len", "datasets": {name: {"rows", "kept"}}, "rows", "kept", "round_trip"}
    {"dataset", "row", "messages", "turns": [{"turn", "context", "labels", "cut", "own"}], "cut", "uncovered"}
    {"pieces": {id: token}}

`row` is the row's number in the data set's source, from the conversations.jsonl beside dataset_info.json, or
else counts from 0 in LLaMA-Factory's file, dropped rows included. `turn` counts the answers from 0. `context` holds
the ids before a turn's first labelled one. A turn is `cut` when cutoff_len changed its context, and `own` is
false when the tokenizer encodes the context's text differently: then no prompt text can reach these ids.

Not covered: packing, tool calls and media (such rows are named in `uncovered`).
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

ROUND_TRIP_TEXTS = (
    "a b\n你",
    "Hello world, 你好\nx",
    "  two  spaces\t\ttabs\n\n\nlines \n",
    "def f(x):\n    return x ** 2  # 平方\n",
    "🦀🐚 naïve — “quotes” ①②③ 蟹堡王",
)
NEUTRAL = {
    "val_size": 0.0,
    "do_train": True,
    "do_eval": False,
    "do_predict": False,
    "predict_with_generate": False,
    "eval_strategy": "no",
    "load_best_model_at_end": False,
    "bf16": False,
    "fp16": False,
    "pure_bf16": False,
    "report_to": "none",
    "streaming": False,
    "overwrite_cache": True,
    "plot_loss": False,
}
DROPPED = (
    "eval_dataset",
    "tokenized_path",
    "deepspeed",
    "fsdp",
    "resume_from_checkpoint",
    "early_stopping_steps",
)
UNCUT = 1 << 30


def main():
    """Read the command line, write the file under a temporary name, rename it."""
    arguments = parse_arguments()
    os.environ.update(
        HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_DATASETS_OFFLINE="1", WANDB_MODE="disabled"
    )
    out = Path(arguments.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="conch-ids-") as scratch:
        os.environ["HF_DATASETS_CACHE"] = scratch
        settings = read_settings(Path(arguments.train_yaml), scratch)
        names = [name for name in arguments.datasets.split(",") if name] or named(settings["dataset"])
        half = out.with_name(out.name + ".half")
        with half.open("w", encoding="utf-8") as stream:
            write(settings, names, stream)
        half.replace(out)


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train_yaml", help="the rendered LLaMA-Factory configuration")
    parser.add_argument(
        "--datasets", default="", help="names in dataset_info.json; those of train.yaml when empty"
    )
    parser.add_argument("--out", required=True, help="the JSON lines to write")
    return parser.parse_args()


def read_settings(path, scratch):
    """train.yaml with what does not change an id neutralised."""
    import yaml

    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key in ("train_on_prompt", "packing", "neat_packing"):
        if settings.get(key):
            sys.exit(
                f"{path}: {key} trains whole texts, not answers after prompts: there is no prompt to compare"
            )
    settings = {key: value for key, value in settings.items() if key not in DROPPED}
    return settings | NEUTRAL | {"output_dir": str(Path(scratch) / "output")}


def named(value):
    """LLaMA-Factory's `dataset` as a list of names."""
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else list(value)


def write(settings, names, stream):
    """Load everything LLaMA-Factory's way, and write header, rows and pieces."""
    from llamafactory.data import get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    model_args, data_args, training_args, _, _ = get_train_args(dict(settings))
    module = load_tokenizer(model_args)
    tokenizer = module["tokenizer"]
    template = get_template_and_fix_tokenizer(tokenizer, data_args)
    pipeline = (template, model_args, data_args, training_args, module)
    trained = set(named(settings["dataset"]))
    limit = data_args.max_samples
    loaded = {}
    for name in names:
        data_args.dataset = [name]
        data_args.max_samples = limit if name in trained else None
        loaded[name] = load(name, pipeline)
    counts = {name: {"rows": len(rows), "kept": len(kept)} for name, (rows, kept, _) in loaded.items()}
    put(stream, header(template, tokenizer, data_args, counts))
    used = set()
    numbers = source_rows(Path(data_args.dataset_dir) / "conversations.jsonl")
    for name, (rows, kept, indexes) in loaded.items():
        for index, encoded in zip(indexes, kept, strict=True):
            number = numbers[name][index] if name in numbers else index
            put(stream, record(name, number, rows[index], encoded, pipeline, used))
    put(
        stream,
        {
            "pieces": dict(
                zip(map(str, sorted(used)), tokenizer.convert_ids_to_tokens(sorted(used)), strict=True)
            )
        },
    )


def source_rows(path):
    """Data set → the source's row number of each row of LLaMA-Factory's file; nothing when it is not there."""
    numbers = {}
    if path.is_file():
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                numbers.setdefault(row["dataset"], []).append(row["row"])
    return numbers


def put(stream, value):
    """One JSON line."""
    stream.write(json.dumps(value, ensure_ascii=False) + "\n")


def load(name, pipeline):
    """(aligned rows, encoded rows that get_dataset keeps, index in the file of each kept row)."""
    from llamafactory.data import get_dataset, loader
    from llamafactory.data.parser import get_dataset_list

    template, model_args, data_args, training_args, module = pipeline
    (attributes,) = get_dataset_list([name], data_args.dataset_dir)
    if attributes.num_samples is not None:
        sys.exit(
            f"dataset_info.json: {name}: num_samples draws rows at random: their place in the file is lost"
        )
    if attributes.formatting == "openai":
        sys.exit(
            f"dataset_info.json: {name}: formatting openai makes LLaMA-Factory add 'detailed thinking off' to every"
            " system message; use formatting sharegpt with role/content tags"
        )
    kept = get_dataset(template, model_args, data_args, training_args, stage="sft", **module)["train_dataset"]
    rows = loader._load_single_dataset(attributes, model_args, data_args, training_args)
    if len(kept) == len(rows):
        return rows, kept, range(len(rows))
    encode = loader._get_dataset_processor(
        data_args, "sft", template, module["tokenizer"], module["processor"]
    )
    indexes = [index for index in range(len(rows)) if encode.preprocess_dataset(rows[index : index + 1])]
    if len(indexes) != len(kept):
        sys.exit(f"{name}: LLaMA-Factory keeps {len(kept)} rows together but {len(indexes)} one by one")
    return rows, kept, indexes


def header(template, tokenizer, data_args, counts):
    """What was used, and whether the tokenizer gives back what it was given."""
    return {
        "versions": versions("llamafactory", "transformers", "tokenizers", "datasets"),
        "tokenizer": type(tokenizer).__name__,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "stop_token_ids": sorted(template.get_stop_token_ids(tokenizer)),
        "template": data_args.template,
        "thinking": getattr(template, "enable_thinking", None),
        "mask_history": data_args.mask_history,
        "cutoff_len": data_args.cutoff_len,
        "datasets": counts,
        "rows": sum(count["rows"] for count in counts.values()),
        "kept": sum(count["kept"] for count in counts.values()),
        "round_trip": round_trip(tokenizer),
    }


def versions(*distributions):
    """Distribution name → installed version."""
    from importlib.metadata import version

    return {name: version(name) for name in distributions} | {"python": sys.version.split()[0]}


def round_trip(tokenizer):
    """Texts that the tokenizer does not give back: it trains on something else than what was written."""
    failures = []
    for text in ROUND_TRIP_TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False)
        back = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        if back != text:
            failures.append({"text": text, "decoded": back, "ids": ids[:32]})
    return {"ok": not failures, "failures": failures}


def record(name, number, row, encoded, pipeline, used):
    """The line of one kept row."""
    template, _, data_args, _, module = pipeline
    turns = turns_of(encoded["input_ids"], encoded["labels"])
    answers = (len(row["_prompt"]) + 1) // 2
    for place, turn in enumerate(turns):
        turn["turn"] = answers - 1 if data_args.mask_history else place
    cut = False
    # LLaMA-Factory fills a cut row up to cutoff_len; one token of slack for its rounding.
    if len(encoded["input_ids"]) >= data_args.cutoff_len - 1:
        cut = mark_cut(turns, encoded["input_ids"], row, pipeline)
    for turn in turns:
        text = module["tokenizer"].decode(
            turn["context"], skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        turn["own"] = module["tokenizer"].encode(text, add_special_tokens=False) == turn["context"]
        used.update(turn["context"], turn["labels"])
    messages = [{"role": m["role"], "content": m["content"]} for m in [*row["_prompt"], *row["_response"]]]
    system = [{"role": "system", "content": row["_system"]}] if row["_system"] else []
    return {
        "dataset": name,
        "row": number,
        "messages": system + messages,
        "turns": turns,
        "cut": cut,
        "uncovered": uncovered(row),
    }


def turns_of(ids, labels):
    """The labelled stretches, each with all the ids before it."""
    from llamafactory.extras.constants import IGNORE_INDEX

    turns = []
    for position, label in enumerate(labels):
        if label == IGNORE_INDEX:
            continue
        if position == 0 or labels[position - 1] == IGNORE_INDEX:
            turns.append({"turn": 0, "context": ids[:position], "labels": [], "cut": False})
        turns[-1]["labels"].append(label)
    return turns


def mark_cut(turns, ids, row, pipeline):
    """Encode once more without the cutoff; mark the turns whose context it changed. True when the row was cut."""
    from copy import copy

    from llamafactory.data import loader

    template, _, data_args, _, module = pipeline
    unlimited = copy(data_args)
    unlimited.cutoff_len = UNCUT
    encoder = loader._get_dataset_processor(
        unlimited, "sft", template, module["tokenizer"], module["processor"]
    )
    whole = encoder.preprocess_dataset({key: [value] for key, value in row.items()})
    complete = turns_of(whole["input_ids"][0], whole["labels"][0])
    for turn, uncut in zip(turns, complete, strict=False):
        turn["cut"] = turn["context"] != uncut["context"]
    return ids != whole["input_ids"][0]


def uncovered(row):
    """What a row holds that the comparison does not cover; empty for plain text."""
    reasons = [key.strip("_") for key in ("_tools", "_images", "_videos", "_audios") if row.get(key)]
    roles = {message["role"] for message in [*row["_prompt"], *row["_response"]]} - {"user", "assistant"}
    return ", ".join(reasons + sorted(roles))


if __name__ == "__main__":
    main()
