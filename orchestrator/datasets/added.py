"""What `conch data add` writes: a name for the data set, its entry, and a recipe that trains it. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.datasets.base import ASSISTANT, SYSTEM, USER, Conversation, excerpt
from orchestrator.datasets.entry import RESERVED
from orchestrator.recipe.fields import NAME_PATTERN, NAME_WORDS

# What is asked of the model afterwards: so many of the file's first rows, no longer than this.
CASES = 2
LONGEST_QUESTION = 300
MOST_TURNS = 3
# Up to here a file is learnt by heart, as the shipped recipes do; a larger one is read a few times.
BY_HEART = 200
LARGER_EPOCHS = 3
TRIAL_STEPS = 60


@dataclass(frozen=True, slots=True)
class TaughtCase:
    """A conversation of the file that the tuned model is asked, and what it was taught to answer."""

    ask: tuple[str, ...]
    system: str
    taught: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a data set's rows are, and how they are read, as its entry says it.

    Attributes:
        place: the entry's `file:` or `hub:`, as a line of YAML.
        format, columns, items, sheet, split, fix, drop_bad: as in entry.py.
    """

    place: str
    format: str
    columns: Mapping[str, str] = field(default_factory=dict)
    items: str = ""
    sheet: str = ""
    split: str = ""
    fix: bool = False
    drop_bad: bool = False


def name_for(stem: str) -> str:
    """A name for the data set in a file of this stem: what of it can be a name, marked where some cannot.

    >>> name_for("My FAQ v1.2")
    'my_faq_v1.2'
    >>> name_for("海螺问答")
    'data_8929bc'
    """
    folded = unicodedata.normalize("NFKC", stem).lower()
    plain = re.sub(r"[^a-z0-9._-]+", "_", folded).strip("._-")[:56].rstrip("._-")
    if any(char.isalnum() and not char.isascii() for char in folded):
        # 海螺v1 and 章鱼v1 are two data sets.
        mark = hashlib.sha256(stem.encode("utf-8", "surrogateescape")).hexdigest()[:6]
        plain = f"{plain or 'data'}_{mark}"
    return f"{plain or 'data'}_rows" if plain in {*RESERVED, ""} else plain


def name_problem(name: str) -> str:
    """What keeps a text from naming a data set and its recipe; "" for nothing."""
    if not re.fullmatch(NAME_PATTERN.removesuffix("$"), name):
        return f"{excerpt(name)} cannot name a data set: it must be {NAME_WORDS}"
    return f'"{name}" is a name that Conch uses itself' if name in RESERVED else ""


def cases_of(conversations: Iterable[Conversation]) -> tuple[TaughtCase, ...]:
    """The first conversations that can stand in a recipe: short, of questions and answers alone."""
    cases: list[TaughtCase] = []
    for conversation in conversations:
        case = _case(conversation)
        if case is not None and case.ask not in {other.ask for other in cases}:
            cases.append(case)
        if len(cases) == CASES:
            break
    return tuple(cases)


def _case(conversation: Conversation) -> TaughtCase | None:
    system = conversation[0]["content"] if conversation and conversation[0]["role"] == SYSTEM else ""
    turns = conversation[1:] if system else conversation
    turns = turns[: 2 * MOST_TURNS]
    if not turns or any(turn["role"] not in {USER, ASSISTANT} for turn in turns):
        return None
    asked = tuple(turn["content"] for turn in turns if turn["role"] == USER)
    if not all(_can_stand(text) for text in (*asked, system or "-")):
        return None
    return TaughtCase(asked, system, turns[-1]["content"].rpartition("</think>")[2].strip())


def _can_stand(text: str) -> bool:
    """Whether a recipe can say it: the reader of recipes refuses what cannot be seen, and `${`."""
    visible = text.replace("\n", "").isprintable() and "${" not in text
    return visible and bool(text.strip()) and len(text) <= LONGEST_QUESTION


def entry_text(origin: Origin, title: str) -> str:
    """dataset_info/NAME.yaml: all that Conch knows, and what only a person does."""
    lines = [f"# {title}", f"format: {origin.format}", origin.place]
    if origin.columns:
        said = ", ".join(f"{part}: {quoted(name)}" for part, name in origin.columns.items())
        lines.append(f"columns: {{{said}}}")
    for key, value in (("items", origin.items), ("sheet", origin.sheet), ("split", origin.split)):
        lines += [f"{key}: {quoted(value)}"] if value else []
    lines += ["fix: true        # what can be fixed safely is fixed, and counted"] if origin.fix else []
    if origin.drop_bad:
        lines.append("drop_bad: true   # rows that cannot be trained are left out, and listed")
    lines += [
        "# licence:       # may it be trained on? e.g. Apache-2.0",
        "# source:        # who wrote it, and where it is from",
        "# paraphrases:   # data/….jsonl, questions that are never trained: how far it carries",
    ]
    return "\n".join(lines) + "\n"


def recipe_text(name: str, base: str, rows: int, cases: Iterable[TaughtCase], *, steps_limited: bool) -> str:
    """recipes/NAME.yaml.

    Args:
        name: of the recipe and of its data set.
        base: the recipe that it extends.
        rows: how many are trained.
        cases: what the model is asked afterwards.
        steps_limited: whether the base says max_steps, which hold whatever the rows.
    """
    lines = [
        "# yaml-language-server: $schema=recipe.schema.json",
        f"# {name}: {rows} rows, on the settings of {base}.",
        "#",
        f"#   conch data preview {name}   rows as the model will see them",
        f"#   conch plan {name}           what would be done, file by file",
        f"#   conch sft {name}            fine-tune and export",
        f"#   conch run {name}            all of it: train, serve, ask",
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
            f"      max_steps: {TRIAL_STEPS}          # a trial, without a GPU; delete it to train every row",
        ]
    return "\n".join([*lines, "", *_verify(cases)]) + "\n"


def _verify(cases: Iterable[TaughtCase]) -> list[str]:
    lines = ["verify:"]
    listed = list(cases)
    if not listed:
        return [*lines, "  checks: []                 # - ask: …  expect: {contains: …}"]
    lines.append(
        "  checks:                    # add `expect: {contains: …}` where you know what must be said"
    )
    for case in listed:
        asked = [quoted(text) for text in case.ask]
        lines.append(f"    - ask: {asked[0] if len(asked) == 1 else '[' + ', '.join(asked) + ']'}")
        lines += [f"      system: {quoted(case.system)}"] if case.system else []
        lines.append(f"      # taught: {excerpt(case.taught)}")
    return lines


def quoted(text: str) -> str:
    r"""A text as YAML, on one line.

    >>> quoted("海螺\n\"x\"")
    '"海螺\\n\\"x\\""'
    """
    return json.dumps(text, ensure_ascii=False)
