"""Rows as LLaMA-Factory trains them, pair by pair. Run by the train environment's Python in a run folder.

    python preview_ids.py train.yaml --out preview_ids.jsonl

A pair of stage dpo makes two lines, the better answer as dataset NAME and the worse as NAME/rejected; a
document of stage pt is one answer without a question.

The ids and labels are those of LLaMA-Factory's own `get_dataset`, as in training_ids.py. Where they come from
is told by its own `encode_multiturn` and `infer_seqlen`, which `get_dataset` uses too: a row whose pairs,
put together again, are not its ids and labels is refused, never shown wrongly.

JSON lines: a header, one line for each kept row, and last the text of every id used:

    {"versions", "template", "thinking", "mask_history", "cutoff_len", "stop_token_ids",
     "datasets": {name: {"rows", "kept"}}}
    {"dataset", "row", "pairs": [{"source": ids, "target": ids, "kept": [source, target], "trained"}], "tail"}
    {"pieces": {id: token}}

`source` is a question with all that the template puts around it, `target` the answer with its end; `kept`
says how many of each are left below cutoff_len. `tail` is an end that a template puts behind everything.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tokens import Row, offline, output, pieces, put, refuse, versions
from train_settings import ids_settings
from training_ids import (
    ANSWERS,
    UNCUT,
    Pipeline,
    in_step,
    load,
    make_pipeline,
    named,
    parse_arguments,
    source_rows,
    whole_text,
)

Pairs = list[tuple[list[int], list[int]]]


def main() -> None:
    """Write the file under a temporary name, and rename it."""
    arguments = parse_arguments()
    offline()
    with ids_settings(arguments.train_yaml) as settings, output(arguments.out) as stream:
        write(settings, stream)


def write(settings: Row, stream: IO[str]) -> None:
    """Load every dataset LLaMA-Factory's way, and write header, rows and pieces."""
    pipeline = make_pipeline(settings)
    cutoff = pipeline.data_args.cutoff_len
    if pipeline.stage == "pt":  # documents are shown before they are joined and cut into blocks
        pipeline.data_args.packing, pipeline.data_args.cutoff_len = False, UNCUT
    loaded = {}
    for name in named(settings["dataset"]):
        pipeline.data_args.dataset = [name]
        loaded[name] = load(name, pipeline)
    counts = {name: (len(rows), len(kept)) for name, (rows, kept, _) in loaded.items()}
    put(stream, header(pipeline, counts) | {"cutoff_len": cutoff})
    numbers = source_rows(Path(pipeline.data_args.dataset_dir) / "conversations.jsonl")
    for name, (rows, kept, indexes) in loaded.items():
        for index, row, encoded in in_step(rows, kept, indexes):
            number = numbers[name][index] if name in numbers else index
            for prefix, suffix in ANSWERS.get(pipeline.stage, (("", ""),)):
                place = {"dataset": name + suffix, "row": number}
                put(stream, place | record(row, encoded, pipeline, place, prefix))
    put(stream, pieces(pipeline.tokenizer, pipeline.used))


def header(pipeline: Pipeline, counts: dict[str, tuple[int, int]]) -> Row:
    """What the rows were encoded with, and how many of them LLaMA-Factory keeps."""
    data_args = pipeline.data_args
    return {
        "versions": versions("llamafactory", "transformers", "tokenizers", "datasets"),
        "template": data_args.template,
        "thinking": getattr(pipeline.template, "enable_thinking", None),
        "mask_history": data_args.mask_history,
        "cutoff_len": data_args.cutoff_len,
        "stop_token_ids": sorted(pipeline.template.get_stop_token_ids(pipeline.tokenizer)),
        "datasets": {name: {"rows": rows, "kept": kept} for name, (rows, kept) in counts.items()},
    }


def record(row: Row, encoded: Row, pipeline: Pipeline, place: Row, prefix: str) -> Row:
    """A row's pairs, checked against the ids and labels that are trained.

    Args:
        row: as it is aligned.
        encoded: as it is trained.
        pipeline: LLaMA-Factory's parts.
        place: of the row, for messages.
        prefix: of the columns of a pair's answer.
    """
    ids, labels = whole_text(encoded, pipeline, prefix)
    if pipeline.stage == "pt":
        pipeline.used.update(ids)
        document = {"source": [], "target": ids, "kept": [0, len(ids)], "trained": True}
        return {"pairs": [document], "tail": []}
    tail: list[int] = []
    if pipeline.stage == "sft":
        parts, tail = conversation_pairs(row, pipeline)
    else:
        parts = [rated_pair(row, pipeline, ("chosen_", "rejected_").index(prefix) if prefix else 0)]
    if together(parts, tail) != (ids, trained_places(labels, tail)):
        what = "LLaMA-Factory's ids are not those of its questions and answers put together"
        refuse(what, f"{place['dataset']} row {place['row']}", "preview rows of plain text")
    if pipeline.stage == "ppo":  # the model answers itself
        parts = [part | {"trained": False} for part in parts]
    pipeline.used.update(tail, *(part[side] for part in parts for side in ("source", "target")))
    return {"pairs": parts, "tail": tail}


def rated_pair(row: Row, pipeline: Pipeline, side: int) -> Row:
    """The prompt and an answer of a row of preferences (data/processor/pairwise.py and feedback.py)."""
    from llamafactory.data.processor.processor_utils import infer_seqlen

    template, answers = pipeline.template, row["_response"]
    end = [pipeline.tokenizer.eos_token_id] if template.efficient_eos else []

    def encoded(answer: Row) -> tuple[list[int], list[int]]:
        messages = template.mm_plugin.process_messages(
            [*row["_prompt"], answer], [], [], [], pipeline.module["processor"]
        )
        source, target = template.encode_oneturn(
            pipeline.tokenizer, messages, row["_system"], row.get("_tools") or ""
        )
        return list(source), [*target, *end]

    if pipeline.stage == "kto":  # the other answer is empty
        answers = [next(answer for answer in answers if answer["content"])]
    both = [encoded(answer) for answer in answers]
    source, target = both[side]
    longest = max(len(each) for _, each in both)
    kept_source, kept_target = infer_seqlen(len(source), longest, pipeline.data_args.cutoff_len)
    kept = [min(kept_source, len(source)), min(kept_target, len(target))]
    return {"source": source, "target": target, "kept": kept, "trained": True}


def conversation_pairs(row: Row, pipeline: Pipeline) -> tuple[list[Row], list[int]]:
    """The pairs of a conversation, and the end that a template puts behind everything."""
    pairs = encoded_pairs(row, pipeline)
    masked = pipeline.data_args.mask_history
    tail = [pipeline.tokenizer.eos_token_id] if pipeline.template.efficient_eos else []
    parts: list[Row] = [
        {
            "source": list(source),
            "target": list(target),
            "kept": kept,
            "trained": not masked or number == len(pairs) - 1,
        }
        for number, ((source, target), kept) in enumerate(
            zip(pairs, kept_lengths(pairs, pipeline.data_args.cutoff_len, len(tail), masked), strict=True)
        )
    ]
    return parts, tail


def encoded_pairs(row: Row, pipeline: Pipeline) -> Pairs:
    """(question, answer) in ids, nothing cut (data/processor/supervised.py, _encode_data_example)."""
    template = pipeline.template
    messages = [*row["_prompt"], *row["_response"]]
    messages = template.mm_plugin.process_messages(messages, [], [], [], pipeline.module["processor"])
    dropped = pipeline.data_args.mask_history and not template.preserve_thinking
    encode, tools = template.encode_multiturn, row.get("_tools") or ""
    pairs: Pairs = encode(pipeline.tokenizer, messages, row["_system"], tools, dropped)
    return pairs


def kept_lengths(pairs: Pairs, cutoff: int, taken: int, masked: bool) -> list[list[int]]:  # noqa: FBT001
    """How many ids of each question and answer are left; of masked history the last pair comes first."""
    whole = [[len(source), len(target)] for source, target in pairs]
    if taken + sum(map(sum, whole)) < cutoff:
        return whole
    from llamafactory.data.processor.processor_utils import infer_seqlen

    kept = []
    for source, target in reversed(whole) if masked else whole:
        left = cutoff - taken
        kept.append(list(infer_seqlen(source, target, left)) if left > 0 else [0, 0])
        taken += sum(kept[-1])
    return kept[::-1] if masked else kept


def together(parts: Sequence[Row], tail: Sequence[int]) -> tuple[list[int], list[int]]:
    """(the ids that are left, the places of those that are trained)."""
    ids: list[int] = []
    trained: list[int] = []
    for part in parts:
        source, target = part["kept"]
        ids += part["source"][:source]
        if part["trained"]:
            trained += range(len(ids), len(ids) + target)
        ids += part["target"][:target]
    return ids + list(tail), trained + list(range(len(ids), len(ids) + len(tail)))


def trained_places(labels: Sequence[int], tail: Sequence[int]) -> list[int]:
    """Where labels are not masked; the end that stands between two pairs belongs to the question's ids."""
    from llamafactory.extras.constants import IGNORE_INDEX

    places = [place for place, label in enumerate(labels) if label != IGNORE_INDEX]
    if not tail:
        return places
    return [place for place in places if labels[place] != tail[0] or place == len(labels) - 1]


if __name__ == "__main__":
    main()
