"""Whether the train and the serve environment read the same text as the same tokens.

Published DeepSeek-R1-Distill-Qwen says `tokenizer_class: LlamaTokenizerFast` beside `model_type: qwen2`;
transformers 5.6.0, 5.6.2 and 5.7.0 make of that a tokenizer that drops every space, line break and Chinese
character, without an error, and the versions before and after read it rightly. The same layout beside
`model_type: llama` or without a config.json is read wrongly by 5.5.4 and 5.19.0 too. No comparison of
templates can see it: both sides print the same text. So the same texts are encoded inside each environment.

Claimed: every text has the same ids on both sides and decodes to itself, and the two know the same special
tokens and the same begin- and end-of-sentence. A tokenizer that brings text into Unicode's normal form C
(Qwen's: an e and an accent become é) gives that back, which is no loss. Not covered: texts of other shapes;
what a training template does to the end-of-sentence token (the stop proof speaks of that).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.results import Proof

Header = Mapping[str, Any]
Finding = dict[str, Any]

NAME = "tokenizer"
LISTED = 50
SHOWN_IDS = 12
BROKEN = ((5, 6), (5, 8))  # from, below
REBUILDS = ("LlamaTokenizer", "CodeLlamaTokenizer")
FAULT = "; {0} builds a tokenizer by Llama's rules, whatever rules tokenizer.json describes"
VERSIONS = (
    "; transformers 5.6.0 to 5.7.0 do this to a tokenizer_config.json that says LlamaTokenizerFast beside"
    " model_type qwen2, as DeepSeek-R1-Distill-Qwen is published; 5.5.x and 5.8.0 read it rightly"
)
HINT = (
    "set `model.tokenizer: corrected` in the recipe, or write a corrected copy with `conch parity --tokenizer"
    " DIR --template NAME --fix COPY` (tokenizer_class PreTrainedTokenizerFast, which every version reads"
    " rightly); or make the {side} environment as it is pinned: environments/{side}-HARDWARE.txt, made by"
    " `conch env compile {side}` and installed by `conch env sync {side}`"
)
ADDED = (
    "train with the template of this model's own family; tokens that you add on purpose (add_tokens) are not"
    " in the base model: accept them with --accept-mismatch"
)


@dataclass(frozen=True, slots=True)
class _Side:
    """One environment's reading: its name, its header, and text → (ids, decoded)."""

    name: str
    header: Header
    read: Mapping[str, tuple[list[int], str]]

    @classmethod
    def of(cls, name: str, header: Header) -> _Side:
        return cls(name, header, {row["text"]: (row["ids"], row["decoded"]) for row in header["texts"]})

    @property
    def transformers(self) -> str:
        return str(self.header["versions"].get("transformers", "?"))

    def __str__(self) -> str:
        return f"{self.name}: {self.header['tokenizer']}, transformers {self.transformers}"

    @property
    def fault(self) -> str:
        """Why it misreads, as far as its class and its version tell."""
        if self.header["tokenizer"] not in REBUILDS:
            return ""
        known = BROKEN[0] <= _numbers(self.transformers) < BROKEN[1]
        return FAULT.format(self.header["tokenizer"]) + (VERSIONS if known else "")


def prove(train: Header, serve: Header) -> Proof:
    """The proof, from the headers of the two probes.

    Args:
        train: of training_ids.jsonl: "texts" ([{"text", "ids", "decoded"}]), "tokenizer" (the class),
            "versions", "bos_token_id", "eos_token_id"; and "published", the last two as they were before the
            training template changed them, where the probe tells.
        serve: of serving_ids.jsonl, with the same keys.
    """
    ours, theirs = _Side.of("train", train), _Side.of("serve", serve)
    both = [text for text in ours.read if text in theirs.read]
    unequal = [text for text in both if ours.read[text][0] != theirs.read[text][0]]
    misread = {side.name: [t for t in both if not _same(t, side.read[t][1])] for side in (ours, theirs)}
    culprits = {*unequal, *misread["train"], *misread["serve"]}
    wrong = [text for text in both if text in culprits]
    findings = [_finding(text, ours, theirs) for text in wrong]
    findings += _one_sided(ours, theirs) + _special(ours, theirs)
    if not both:
        findings.append({"what": "no text was read on both sides", "hint": "run the probes again"})
    first = findings[0] if findings else {}
    return Proof(
        name=NAME,
        holds=not findings,
        covered=f"{len(both)} texts: Chinese, English, emoji, code, white space, every special and added"
        f" token; {ours}; {theirs}",
        numbers={
            "texts": len(both),
            "other_ids": len(unequal),
            "misread_in_training": len(misread["train"]),
            "misread_in_serving": len(misread["serve"]),
        },
        detail=str(first.get("what", "")),
        hint=str(first.get("hint", "")),
        not_covered="texts of other shapes; an end-of-sentence token that the training template sets",
        findings=tuple(findings[:LISTED]),
    )


def _same(text: str, decoded: str) -> bool:
    return decoded in {text, unicodedata.normalize("NFC", text)}


def _finding(text: str, ours: _Side, theirs: _Side) -> Finding:
    """A text that the two read otherwise, or that one of them, or both, do not give back."""
    sides = (ours, theirs)
    wrong = [side for side in sides if not _same(text, side.read[text][1])]
    readings = " and ".join(
        f"{side.read[text][1]!r} in the {side.name} environment ({side.header['tokenizer']}, transformers"
        f" {side.transformers}, ids {_ids(side.read[text][0])})"
        for side in sides
    )
    fault = wrong[0].fault if wrong else ""
    side = (wrong or sides)[0].name
    finding: Finding = {
        "what": f"{text!r} is read as {readings}{fault}",
        "hint": HINT.format(side=side),
        "text": text,
    }
    for one in sides:
        finding[one.name] = {"ids": one.read[text][0], "decoded": one.read[text][1]}
    return finding


def _one_sided(ours: _Side, theirs: _Side) -> list[Finding]:
    """Special tokens that one environment knows and the other does not."""
    found = []
    for side, other, hint in ((ours, theirs, ADDED), (theirs, ours, HINT.format(side="train"))):
        only = [text for text in side.read if text not in other.read and len(side.read[text][0]) == 1]
        if only:
            shown = ", ".join(map(repr, only[:5])) + (f" and {len(only) - 5} more" if only[5:] else "")
            what = (
                f"the {side.name} environment's tokenizer has {shown} as a token, the {other.name}'s has not"
            )
            found.append({"what": what, "hint": hint, "tokens": only[:LISTED]})
    return found


def _special(ours: _Side, theirs: _Side) -> list[Finding]:
    """Begin- and end-of-sentence, as each environment reads them of the model's own files."""
    trained, served = ours.header.get("published", ours.header), theirs.header
    found = []
    for key, words in (("bos_token_id", "begin-of-sentence"), ("eos_token_id", "end-of-sentence")):
        if trained[key] != served[key]:
            what = (
                f"the {words} token is id {trained[key]} in the train environment"
                f" ({ours.header['tokenizer']}, transformers {ours.transformers}) and id {served[key]} in the"
                f" serve environment ({served['tokenizer']}, transformers {theirs.transformers})"
            )
            found.append({"what": what, "hint": HINT.format(side="train")})
    return found


def _ids(ids: Sequence[int]) -> str:
    return f"[{', '.join(map(str, ids[:SHOWN_IDS]))}{', …' if len(ids) > SHOWN_IDS else ''}]"


def _numbers(version: str) -> tuple[int, ...]:
    """Major and minor of a version; () of one that cannot be read, which is below all."""
    parts = version.split(".")[:2]
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else ()
