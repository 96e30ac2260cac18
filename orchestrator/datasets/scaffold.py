"""What `conch data add` writes: a name for the dataset, its entry, and a recipe that trains it. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.datasets.base import excerpt
from orchestrator.datasets.entry import RESERVED, DatasetEntry
from orchestrator.datasets.trained_cases import TrainedCase
from orchestrator.datasets.updates import (
    LEAST,
    LEAST_PASSES,
    MEASURED,
    MOST_ON_CPU,
    MOST_PASSES,
    TOKENS,
    TRIAL_STEPS,
    Updates,
)

CPU, CUDA = "cpu", "cuda"
# A kind that is asked nothing, and those whose rows rate answers (KINDS in orchestrator/plan/kinds).
SILENT, RATED = "pretrain", ("dpo", "kto")
# Kind → learning rate on a GPU, as in LLaMA-Factory's examples (examples/train_lora), and on a CPU, where the
# small embedded base needs more; "" for the profile's.
RATES: Mapping[str, tuple[str, str]] = {
    "dpo": ("5.0e-6", "1.0e-4"),
    "kto": ("5.0e-6", "1.0e-4"),
    "pretrain": ("1.0e-4", ""),
}
TAUGHT = (
    "Taught: rows that are trained, spread over the file. Each `expect` was made from the answer:",
    "edit it where another answer is right too. Questions that are not trained belong in the",
    "paraphrases of the dataset, which are only reported.",
)
WORSE = (
    "Rows that are trained, spread over the file. Each `expect` names words of the worse answer that no",
    "better answer has; a base that never says them passes too. The preference on held-out rows is proven.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaffold:
    """What a recipe for added rows is made of.

    Attributes:
        name: of the recipe and of its dataset. base: the recipe that it extends.
        rows: how many rows the file has.
        cases: what the model is asked afterwards.
        updates: profile → the rule of updates.py for it; empty if the base sets max_steps.
        max_tokens: profile → the length of an answer where the base allows too little.
        apart: whether the base's epochs differ between profiles, or these must.
        held_out: the part of the rows that the base holds out of the training; "" for none.
        checked: whether the base has a target for its checks.
        kind: the training kind of the rows. same_kind: whether the base has it too.
        share: of the rows, to hold out of the training; 0 for none.
        cutoff: the length of a block, where the base's would leave too few documents' blocks; 0 to keep it.
    """

    name: str
    base: str
    rows: int
    cases: Sequence[TrainedCase]
    updates: Mapping[str, Updates] = field(default_factory=dict)
    max_tokens: Mapping[str, int] = field(default_factory=dict)
    apart: bool = False
    held_out: str = ""
    checked: bool = False
    kind: str = "sft"
    same_kind: bool = True
    share: float = 0
    cutoff: int = 0


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
    lines += [f"limits: {entry.limits}        # times the usual ones"] if entry.limits > 1 else []
    lines += ["fix: true        # make the safe repairs, and report them"] if entry.fix else []
    lines += ["drop_bad: true   # drop rows that cannot be trained, and list them"] if entry.drop_bad else []
    lines += [
        "# licence:       # may you train on it? e.g. Apache-2.0",
        "# source:        # who wrote it, and where it is from",
        "# paraphrases:   # data/….jsonl, held-out questions that measure generalization",
    ]
    return "\n".join(lines) + "\n"


def recipe_text(of: Scaffold) -> str:
    """recipes/NAME.yaml."""
    name, base = of.name, of.base
    lines = [
        "# yaml-language-server: $schema=recipe.schema.json",
        f"# {name}: {of.rows} rows, with the settings of {base}.",
        "#",
        f"#   conch data preview {name}   show rows as the model sees them",
        f"#   conch plan {name}           show the plan, file by file",
        f"#   conch sft {name}            fine-tune and export",
        *([f"#   conch run {name}            train, serve and ask"] if of.kind != SILENT else []),
        *_stated(of),
        "",
        f"extends: {base}",
        "",
        "data:",
        f"  dataset: {name}",
        *([f"  cutoff_len: {of.cutoff:<10} # the length of a block: the text is short"] if of.cutoff else []),
        *([f"  validation_share: {of.share} # held out, to measure what was learnt"] if of.share else []),
        *_train(of),
        "",
        *_verify(of),
    ]
    return "\n".join(lines) + "\n"


def _stated(of: Scaffold) -> list[str]:
    """The rule behind the epochs, as a comment."""
    if not of.updates:
        return ["#", f"# Training is as long as {of.base} says (train.max_steps), for any number of rows."]
    rule, most = of.updates[CUDA], TOKENS // MOST_PASSES
    if rule.given:
        said = (
            f"{rule.updates} updates: {rule.epochs} passes over the {of.rows} rows, as in LLaMA-Factory's",
            "examples. How many are best for these rows is not measured: look at the held-out rows.",
        )
        return ["#", *(f"# {line}" for line in said)]
    lines = (
        f"{rule.updates} updates: {rule.epochs} passes over {rule.rows} rows in batches of {rule.batch}.",
        f"The rule: {MOST_PASSES} passes, but at least {LEAST} updates; of more than {most:,} tokens",
        f"(here: about {rule.tokens:,}) fewer passes, but at least {LEAST_PASSES}.",
        *MEASURED,
    )
    return ["#", *(f"# {line}" for line in lines)]


def _train(of: Scaffold) -> list[str]:
    """`train` by the rule, and what a profile needs beside it."""
    lines: list[str] = []
    if not of.same_kind:
        lines += ["", "train:", f"  kind: {of.kind}"]
        gpu, _ = RATES.get(of.kind, ("", ""))
        lines += [f"  learning_rate: {gpu}"] if gpu else []
        lines += [f"  epochs: {of.updates[CUDA].epochs}"] if of.updates else []
    elif of.updates:
        rule = of.updates[CUDA]
        comment = "end once the loss is flat over this share of the updates; 0: never"
        lines += ["", "train:", f"  epochs: {rule.epochs}", f"  plateau: {rule.plateau:<11} # {comment}"]
    hardware = {profile: own for profile in (CPU, CUDA) if (own := list(_of_profile(of, profile)))}
    if hardware:
        lines += ["", "hardware:"]
    return lines + [line for profile, own in hardware.items() for line in (f"  {profile}:", *own)]


def _of_profile(of: Scaffold, profile: str) -> Iterable[str]:
    rule, train = of.updates.get(profile), []
    if rule and of.apart:
        train.append(f"      epochs: {rule.epochs}")
    if rule and profile == CPU and rule.updates > MOST_ON_CPU:
        comment = f"a trial without a GPU, of {rule.updates} updates; delete it to train them all"
        train.append(f"      max_steps: {TRIAL_STEPS}          # {comment}")
    if profile == CPU and not of.same_kind and (rate := RATES.get(of.kind, ("", ""))[1]):
        train.append(f"      learning_rate: {rate}")
    if train:
        yield from ("    train:", *train)
    if profile in of.max_tokens:
        yield "    verify:"
        yield f"      max_tokens: {of.max_tokens[profile]}        # for the longest answer that is asked"


def _verify(of: Scaffold) -> list[str]:
    lines: list[str] = []
    if of.kind == SILENT:
        lines += ["evaluate: {general: false, split: none}", ""]
        lines += ["target: {checks: null, regression: null, paraphrases: null, metrics: {}}", ""]
        return [*lines, "verify: {checks: []}           # it learns texts, and is asked nothing"]
    if of.held_out:
        lines += ["evaluate:", f"  split: {of.held_out}   # held out: scored and reported, in no target", ""]
    if not of.cases:
        lines += ["target: {checks: null}       # no row has an answer that can be checked", ""] * of.checked
        return [*lines, "verify:", "  checks: []                 # - ask: …  expect: {contains: …}"]
    lines += ["verify:", *(f"  # {line}" for line in (WORSE if of.kind in RATED else TAUGHT)), "  checks:"]
    for case in of.cases:
        questions = [quoted(text) for text in case.ask]
        lines.append(
            f"    - ask: {questions[0] if len(questions) == 1 else '[' + ', '.join(questions) + ']'}"
        )
        lines += [f"      system: {quoted(case.system)}"] if case.system else []
        lines.append(f"      expect: {json.dumps(case.expect, ensure_ascii=False)}")
        lines.append(f"      # {'worse' if case.worse else 'taught'}: {excerpt(case.answer)}")
    return lines


def quoted(text: str) -> str:
    r"""A text as YAML, on one line.

    >>> quoted("海螺\n\"x\"")
    '"海螺\\n\\"x\\""'
    """
    return json.dumps(text, ensure_ascii=False)
