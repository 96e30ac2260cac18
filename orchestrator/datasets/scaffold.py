"""What `conch data add` writes: a name for the dataset, its entry, and a recipe that trains it. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.datasets.base import ASSISTANT, SYSTEM, USER, Conversation, excerpt
from orchestrator.datasets.entry import RESERVED, DatasetEntry

# How many of the file's first conversations the recipe asks, and how long they may be.
CASES = 2
LONGEST_QUESTION = 300
MOST_TURNS = 3
# Up to this many rows are learnt by heart, as in the shipped recipes; more rows are read a few times.
BY_HEART = 200
LARGER_EPOCHS = 3
TRIAL_STEPS = 60


@dataclass(frozen=True, slots=True)
class TrainedCase:
    """A conversation of the file that the recipe asks the tuned model, and its trained answer."""

    ask: tuple[str, ...]
    system: str
    answer: str


def name_for(stem: str) -> str:
    """A name for the dataset in a file with this stem; a hash stands for characters that a name cannot have.

    >>> name_for("My FAQ v1.2")
    'my_faq_v1.2'
    >>> name_for("海螺问答")
    'data_8929bc'
    """
    folded = unicodedata.normalize("NFKC", stem).lower()
    plain = re.sub(r"[^a-z0-9._-]+", "_", folded).strip("._-")[:56].rstrip("._-")
    if any(char.isalnum() and not char.isascii() for char in folded):
        # 海螺v1 and 章鱼v1 are two datasets.
        mark = hashlib.sha256(stem.encode("utf-8", "surrogateescape")).hexdigest()[:6]
        plain = f"{plain or 'data'}_{mark}"
    return f"{plain or 'data'}_rows" if plain in {*RESERVED, ""} else plain


def cases_of(conversations: Iterable[Conversation]) -> tuple[TrainedCase, ...]:
    """The first conversations that a recipe can contain: short, with questions and answers only."""
    cases: list[TrainedCase] = []
    for conversation in conversations:
        case = _case(conversation)
        if case is not None and case.ask not in {other.ask for other in cases}:
            cases.append(case)
        if len(cases) == CASES:
            break
    return tuple(cases)


def _case(conversation: Conversation) -> TrainedCase | None:
    system = conversation[0]["content"] if conversation and conversation[0]["role"] == SYSTEM else ""
    turns = conversation[1:] if system else conversation
    turns = turns[: 2 * MOST_TURNS]
    if not turns or any(turn["role"] not in {USER, ASSISTANT} for turn in turns):
        return None
    questions = tuple(turn["content"] for turn in turns if turn["role"] == USER)
    if not all(_fits_recipe(text) for text in (*questions, system or "-")):
        return None
    return TrainedCase(questions, system, turns[-1]["content"].rpartition("</think>")[2].strip())


def _fits_recipe(text: str) -> bool:
    """Whether a recipe can contain the text: its reader refuses invisible characters and `${`."""
    visible = text.replace("\n", "").isprintable() and "${" not in text
    return visible and bool(text.strip()) and len(text) <= LONGEST_QUESTION


def entry_text(entry: DatasetEntry, title: str) -> str:
    """dataset_info/NAME.yaml: what Conch knows, and comments for what only the user knows."""
    lines = [f"# {title}", f"format: {entry.format}"]
    if entry.hub_id:
        lines.append(
            f"hub: {{id: {quoted(entry.hub_id)}, revision: {quoted(entry.hub_revision)}, "
            f"file: {quoted(entry.hub_file)}, hub: {entry.hub}}}"
        )
    else:
        lines.append(f"file: {quoted(entry.file)}")
    if entry.columns:
        columns = ", ".join(f"{part}: {quoted(name)}" for part, name in entry.columns.items())
        lines.append(f"columns: {{{columns}}}")
    for key, value in (("items", entry.items), ("sheet", entry.sheet), ("split", entry.split)):
        lines += [f"{key}: {quoted(value)}"] if value else []
    lines += ["fix: true        # make the safe repairs, and report them"] if entry.fix else []
    lines += ["drop_bad: true   # drop rows that cannot be trained, and list them"] if entry.drop_bad else []
    lines += [
        "# licence:       # may you train on it? e.g. Apache-2.0",
        "# source:        # who wrote it, and where it is from",
        "# paraphrases:   # data/….jsonl, held-out questions that measure generalization",
    ]
    return "\n".join(lines) + "\n"


def recipe_text(name: str, base: str, rows: int, cases: Iterable[TrainedCase], *, steps_limited: bool) -> str:
    """recipes/NAME.yaml.

    Args:
        name: of the recipe and of its dataset.
        base: the recipe that it extends.
        rows: how many are trained.
        cases: what the model is asked afterwards.
        steps_limited: whether the base sets max_steps, which apply to any number of rows.
    """
    lines = [
        "# yaml-language-server: $schema=recipe.schema.json",
        f"# {name}: {rows} rows, with the settings of {base}.",
        "#",
        f"#   conch data preview {name}   show rows as the model sees them",
        f"#   conch plan {name}           show the plan, file by file",
        f"#   conch sft {name}            fine-tune and export",
        f"#   conch run {name}            train, serve and ask",
        "",
        f"extends: {base}",
        "",
        "data:",
        f"  dataset: {name}",
    ]
    if rows > BY_HEART and not steps_limited:
        lines += [
            "",
            "train:",
            f"  epochs: {LARGER_EPOCHS}                  # passes over all rows",
            "",
            "hardware:",
            "  cpu:",
            "    train:",
            f"      epochs: {LARGER_EPOCHS}",
            f"      max_steps: {TRIAL_STEPS}          # a trial without a GPU; delete it to train every row",
        ]
    return "\n".join([*lines, "", *_verify(list(cases))]) + "\n"


def _verify(cases: list[TrainedCase]) -> list[str]:
    lines = ["verify:"]
    if not cases:
        return [*lines, "  checks: []                 # - ask: …  expect: {contains: …}"]
    lines.append("  checks:                    # add `expect: {contains: …}` where you know the answer")
    for case in cases:
        questions = [quoted(text) for text in case.ask]
        lines.append(
            f"    - ask: {questions[0] if len(questions) == 1 else '[' + ', '.join(questions) + ']'}"
        )
        lines += [f"      system: {quoted(case.system)}"] if case.system else []
        lines.append(f"      # trained answer: {excerpt(case.answer)}")
    return lines


def quoted(text: str) -> str:
    r"""A text as YAML, on one line.

    >>> quoted("海螺\n\"x\"")
    '"海螺\\n\\"x\\""'
    """
    return json.dumps(text, ensure_ascii=False)
