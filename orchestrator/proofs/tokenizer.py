"""tokenizer: the train and the serve environment read the same text as the same tokens.

Published DeepSeek-R1-Distill-Qwen has `tokenizer_class: LlamaTokenizerFast` with `model_type: qwen2`;
transformers 5.6.0, 5.6.2 and 5.7.0 turn that into a tokenizer that drops every space, line break and Chinese
character, without an error; the versions before and after read it correctly. The same layout with
`model_type: llama` or without a config.json is misread by 5.5.4 and 5.19.0 too. No comparison of templates
can detect it, because both sides print the same text. So each environment encodes the same texts.

Claim: every text has the same ids on both sides and decodes to itself, and both know the same special tokens
and the same begin- and end-of-sentence. A tokenizer that normalizes text to Unicode NFC (Qwen's: an e and an
accent become é) returns that form, which is no loss. Not covered: texts of other shapes, and what a training
template does to the end-of-sentence token (see the stop proof).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.proofs.findings import Finding, some
from orchestrator.proofs.trained import ReadingHeader
from orchestrator.results import Proof, Sentence, joined
from orchestrator.templates.causes import Cause

NAME = "tokenizer"
LISTED = 50
SHOWN_IDS = 12
BROKEN = ((5, 6), (5, 8))  # from, below
REBUILDS = ("LlamaTokenizer", "CodeLlamaTokenizer")
FAULT = Sentence(
    "{0} builds a tokenizer by Llama's rules and ignores the rules in tokenizer.json",
    "{0} 按 Llama 的规则构建分词器，忽略 tokenizer.json 中的规则",
)
VERSIONS = Sentence(
    "transformers 5.6.0 to 5.7.0 do this to a tokenizer_config.json with LlamaTokenizerFast and model_type"
    " qwen2, as DeepSeek-R1-Distill-Qwen is published; 5.5.x and 5.8.0 read it correctly",
    "对于 LlamaTokenizerFast 加 model_type qwen2 的 tokenizer_config.json（DeepSeek-R1-Distill-Qwen"
    " 即如此发布），transformers 5.6.0 至 5.7.0 会这样；5.5.x 和 5.8.0 能正确读取",
)
HINT = Sentence(
    "set `model.tokenizer: corrected` in the recipe, or write a corrected copy with `conch parity --tokenizer"
    " DIR --template NAME --fix COPY` (tokenizer_class PreTrainedTokenizerFast, which every version reads"
    " correctly); or restore the pinned {side} environment: environments/{side}-HARDWARE.txt, made by"
    " `conch env compile {side}` and installed by `conch env sync {side}`",
    "在配方中设置 `model.tokenizer: corrected`，或用 `conch parity --tokenizer DIR --template NAME --fix"
    " COPY` 写出修正的副本（tokenizer_class PreTrainedTokenizerFast，各版本都能正确读取）；或恢复锁定的"
    " {side} 环境：environments/{side}-HARDWARE.txt，由 `conch env compile {side}` 生成、由 `conch env sync"
    " {side}` 安装",
)
ADDED = Sentence(
    "train with the template of this model's own family; tokens that you add on purpose (add_tokens) are not"
    " in the base model: accept them with --accept-mismatch",
    "用该模型所属系列的模板来训练；有意添加的 token（add_tokens）不在基座模型中，可用 --accept-mismatch 接受",
)
PIN = Sentence(
    "pin transformers in the {name} environment to a version that loads this tokenizer correctly (for"
    " DeepSeek-R1-Distill-Qwen 5.5.x works, 5.6.0 to 5.7.0 do not), or set"
    ' "tokenizer_class": "PreTrainedTokenizerFast" in a copy of the model\'s tokenizer_config.json',
    "把 {name} 环境的 transformers 固定到能正确加载此分词器的版本（DeepSeek-R1-Distill-Qwen 可用 5.5.x，"
    '5.6.0 至 5.7.0 不行），或在模型的 tokenizer_config.json 副本中设置 "tokenizer_class":'
    ' "PreTrainedTokenizerFast"',
)


@dataclass(frozen=True, slots=True)
class _Side:
    """One environment: its name, its header, and text → (ids, decoded)."""

    name: str
    header: ReadingHeader
    read: Mapping[str, tuple[list[int], str]]

    @classmethod
    def of(cls, name: str, header: ReadingHeader) -> _Side:
        return cls(name, header, {row["text"]: (row["ids"], row["decoded"]) for row in header["texts"]})

    @property
    def transformers(self) -> str:
        return self.header["versions"].get("transformers", "?")

    @property
    def tool(self) -> str:
        return f"{self.header['tokenizer']}, transformers {self.transformers}"

    @property
    def hint(self) -> Sentence:
        return Sentence(HINT.format(side=self.name), HINT.zh.format(side=self.name))

    @property
    def fault(self) -> Sentence:
        """Why it misreads, as far as its class and its version show."""
        name = self.header["tokenizer"]
        if name not in REBUILDS:
            return Sentence()
        known = BROKEN[0] <= _numbers(self.transformers) < BROKEN[1]
        return joined([Sentence(FAULT.format(name), FAULT.zh.format(name)), VERSIONS if known else ""])

    def reads(self, text: str) -> Sentence:
        ids, decoded = self.read[text]
        tool = f"{self.tool}, ids {_ids(ids)}"
        return Sentence(
            f"{decoded!r} in the {self.name} environment ({tool})",
            f"在 {self.name} 环境中读作 {decoded!r}（{tool}）",
        )

    def misreads(self, text: str) -> bool:
        return self.read[text][1] not in {text, unicodedata.normalize("NFC", text)}


def prove(train: ReadingHeader, serve: ReadingHeader) -> Proof:
    """The proof, from the headers of training_ids.jsonl and serving_ids.jsonl."""
    ours, theirs = _Side.of("train", train), _Side.of("serve", serve)
    both = [text for text in ours.read if text in theirs.read]
    unequal = {text for text in both if ours.read[text][0] != theirs.read[text][0]}
    misread = {side.name: set(filter(side.misreads, both)) for side in (ours, theirs)}
    wrong = unequal | misread["train"] | misread["serve"]
    findings = [_finding(text, ours, theirs) for text in both if text in wrong]
    findings += _one_sided(ours, theirs, ADDED) + _one_sided(theirs, ours, ours.hint)
    findings += _special(ours, theirs)
    if not both:
        none = Sentence("no text was read on both sides", "没有一段文本在两侧都被读取")
        findings.append({"what": none, "hint": Sentence("run the probes again", "重新运行探测脚本")})
    first = findings[0] if findings else {}
    tools = f"train: {ours.tool}; serve: {theirs.tool}"
    return Proof(
        name=NAME,
        holds=not findings,
        covered=Sentence(
            f"{len(both)} texts: Chinese, English, emoji, code, white space, every special and added token;"
            f" {tools}",
            f"{len(both)} 段文本：中文、英文、表情符号、代码、空白、所有特殊和新增 token；{tools}",
        ),
        numbers={
            "texts": len(both),
            "other_ids": len(unequal),
            "misread_in_training": len(misread["train"]),
            "misread_in_serving": len(misread["serve"]),
        },
        detail=_text(first.get("what")),
        hint=_text(first.get("hint")),
        not_covered=Sentence(
            "texts of other shapes; an end-of-sentence token that the training template sets",
            "其他形式的文本；由训练模板设置的句末 token",
        ),
        findings=tuple(findings[:LISTED]),
    )


def explain_round_trip(train: ReadingHeader, serve: ReadingHeader) -> Cause | None:
    """The cause if a tokenizer does not decode its own ids to the input; None if both do."""
    for name, header in (("train", train), ("serve", serve)):
        if failures := header["round_trip"]["failures"]:
            text, decoded = failures[0]["text"], failures[0]["decoded"]
            tokenizer = f"{header['tokenizer']}, transformers {header['versions'].get('transformers', '?')}"
            harm, harm_zh = ("trained on", "训练") if name == "train" else ("prompted with", "推理")
            what = Sentence(
                f"the {name} environment's tokenizer ({tokenizer}) reads {text!r} as {decoded!r}: the model"
                f" would be {harm} different text",
                f"{name} 环境的分词器（{tokenizer}）把 {text!r} 读成 {decoded!r}，{harm_zh}用的不是原文",
            )
            return Cause(what, Sentence(PIN.format(name=name), PIN.zh.format(name=name)))
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _finding(text: str, ours: _Side, theirs: _Side) -> Finding:
    """A text that the sides read differently, or that a side does not decode to itself."""
    sides = (ours, theirs)
    wrong = [side for side in sides if side.misreads(text)]
    readings = joined((side.reads(text) for side in sides), " and ", "，")
    what = Sentence(f"{text!r} is read as {readings}", f"{text!r} {readings.zh}")
    finding: Finding = {
        "what": joined([what, wrong[0].fault if wrong else ""]),
        "hint": (wrong or sides)[0].hint,
        "text": text,
    }
    for one in sides:
        finding[one.name] = {"ids": one.read[text][0], "decoded": one.read[text][1]}
    return finding


def _one_sided(side: _Side, other: _Side, hint: Sentence) -> list[Finding]:
    """Special tokens that only one environment knows."""
    only = [text for text in side.read if text not in other.read and len(side.read[text][0]) == 1]
    if not only:
        return []
    shown = some([repr(text) for text in only], most=5)
    what = Sentence(
        f"the {side.name} environment's tokenizer has {shown} as a token, the {other.name} environment's does"
        " not",
        f"{side.name} 环境的分词器有 token {shown.zh}，{other.name} 环境的没有",
    )
    return [{"what": what, "hint": hint, "tokens": only[:LISTED]}]


def _special(ours: _Side, theirs: _Side) -> list[Finding]:
    """Begin- and end-of-sentence, as each environment reads them from the model's own files."""
    trained, served = ours.header.get("published", ours.header), theirs.header
    pairs = (
        (Sentence("begin-of-sentence", "句首"), trained["bos_token_id"], served["bos_token_id"]),
        (Sentence("end-of-sentence", "句末"), trained["eos_token_id"], served["eos_token_id"]),
    )
    found: list[Finding] = []
    for name, mine, its in pairs:
        if mine != its:
            what = Sentence(
                f"the {name} token is id {mine} in the train environment ({ours.tool}) and id {its} in the"
                f" serve environment ({theirs.tool})",
                f"{name.zh} token 在 train 环境中是 id {mine}（{ours.tool}），在 serve 环境中是 id {its}"
                f"（{theirs.tool}）",
            )
            found.append({"what": what, "hint": ours.hint})
    return found


def _ids(ids: Sequence[int]) -> str:
    return f"[{', '.join(map(str, ids[:SHOWN_IDS]))}{', …' if len(ids) > SHOWN_IDS else ''}]"


def _numbers(version: str) -> tuple[int, ...]:
    """Major and minor of a version; () of one that cannot be parsed, which sorts first."""
    parts = version.split(".")[:2]
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else ()
