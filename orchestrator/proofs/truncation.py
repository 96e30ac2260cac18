r"""truncation: what cutoff_len removed from the trained rows, and what training does with thoughts.

Holds if no more rows were cut than the recipe allows (data.max_truncated_fraction; if unset, truncation is
only reported) and no thought remains that the recipe removes. Rows are read one by one; only counts and the
first findings are stored, so memory stays constant.

LLaMA-Factory 0.9.5 (data/template.py, ReasoningTemplate) removes a thought in one spelling only,
`<think>\n…\n</think>\n\n`: everywhere with `enable_thinking: false`, in earlier answers with `mask_history:
true`. A thought in another spelling remains, and the answer gets no empty thought. Templates of its other
classes remove nothing. Not covered: templates with other marks than <think> and </think>.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.proofs.findings import Findings
from orchestrator.proofs.trained import TrainedRow, TrainHeader, TurnLoss, answer_name, left_out
from orchestrator.results import Proof, Sentence, joined

NAME = "truncation"
CUT = "cut"
MOST = 0.99
# LLaMA-Factory rounds the share of a row that just fits down (processor_utils.py, infer_seqlen), and some
# templates reserve one token: one token more than the longest row is certain to fit it.
SLACK = 1
# The templates of class ReasoningTemplate whose thought_words are the usual ones.
REASONING = frozenset(
    {
        *("deepseekr1", "qwen3", "qwen3_vl", "qwen3_omni", "qwen3_5", "qwen3_6"),
        *("ernie_vl", "glm4_moe", "glm4v", "glm4_5v", "glmz1", "keye_vl", "mimo", "mimo_vl"),
        *("minimax2", "youtu"),
    }
)
REMOVED = re.compile("<think>\n(.*?)\n</think>\n\n", re.DOTALL)
SPELLING = r"<think>\n…\n</think>\n\n"


class Fate(StrEnum):
    """What happens to one answer's thought."""

    TAUGHT = "taught"
    REMOVED = "removed"
    STRIPPED = "stripped"
    SURVIVES_OFF = "thought not removed"
    MARKED = "mark of a thought"
    SURVIVES_STRIP = "earlier thought not removed"


_SURVIVING = (Fate.SURVIVES_OFF, Fate.MARKED, Fate.SURVIVES_STRIP)


@dataclass(frozen=True, slots=True)
class ThoughtRules:
    """LLaMA-Factory's settings that affect thoughts; thinking None is mixed."""

    template: str
    thinking: bool | None
    mask_history: bool

    @property
    def removes(self) -> bool:
        """Whether this template removes thoughts at all."""
        return self.template in REASONING


def fates(messages: Sequence[Mapping[str, str]], rules: ThoughtRules) -> Iterator[tuple[int, Fate]]:
    """(answer number from 0, fate) of every answer that contains a thought, or its marks."""
    answers = [message["content"] for message in messages if message["role"] == "assistant"]
    for number, content in enumerate(answers):
        if "<think>" in content or "</think>" in content:
            fate = _fate(content, rules, earlier=number < len(answers) - 1)
            if fate is not None:
                yield number, fate


def _fate(content: str, rules: ThoughtRules, *, earlier: bool) -> Fate | None:
    strip = earlier and rules.mask_history
    left = content
    if rules.removes and (strip or rules.thinking is False):
        left = REMOVED.sub("", content)
    opened, opens = (text.lstrip().startswith("<think>") for text in (content, left))
    if rules.thinking is False:
        if opens:
            return Fate.SURVIVES_OFF
        # Any mark keeps LLaMA-Factory from adding the empty thought that the server will send.
        if rules.removes and not strip and ("<think>" in left or "</think>" in left):
            return Fate.MARKED
        return Fate.REMOVED if opened else None
    if strip and opens:
        return Fate.SURVIVES_STRIP
    if not opened:
        return None
    return Fate.TAUGHT if opens else Fate.STRIPPED


@dataclass(slots=True)
class _Counts:
    """What is counted row by row."""

    rows: int = 0
    answers: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    fates: Counter[Fate] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    found: Findings = field(default_factory=Findings)

    @property
    def cut(self) -> int:
        return self.found.counts[CUT]

    @property
    def share(self) -> float:
        return self.cut / self.rows if self.rows else 0.0

    def add(self, row: TrainedRow, rules: ThoughtRules, cutoff_len: int) -> None:
        lost = row.lost["tokens"] if row.lost else 0
        self.rows += 1
        self.answers += len(row.turns)
        self.lengths[len(row.ids) + lost] += 1
        if row.lost:
            self._cut(row, lost, cutoff_len)
        for turn, fate in fates(row.messages, rules):
            self.fates[fate] += 1
            if fate in _SURVIVING:
                what, hint = _surviving(fate, rules)
                self.found.add(fate, joined([answer_name(turn), what], " ", ""), row.where, hint)

    def _cut(self, row: TrainedRow, lost: int, cutoff_len: int) -> None:
        trained, losses = {turn["turn"] for turn in row.turns}, row.losses().values()
        gone = sum(loss["turn"] not in trained for loss in losses)
        took = {
            "lost_tokens": lost,
            "lost_answer_tokens": sum(loss["labels"] for loss in losses),
            "lost_prompt_tokens": sum(loss["context"] for loss in losses),
            "cut_answers": sum(loss["labels"] > 0 for loss in losses) - gone,
            "answers_not_trained": gone,
            "open_thoughts": sum(bool(loss["thought_open"]) for loss in losses),
        }
        self.counts.update(took)
        whole = len(row.ids) + lost
        cut = Sentence(
            f"cut to {len(row.ids)} of {whole} tokens", f"从 {whole} 截断到 {len(row.ids)} 个 token"
        )
        hint = Sentence(
            f"data.cutoff_len: {whole + SLACK} keeps it (currently {cutoff_len}), or shorten the row",
            f"data.cutoff_len: {whole + SLACK} 可以保留它（当前为 {cutoff_len}），或缩短这一行",
        )
        self.found.add(
            CUT, joined([cut, joined(_losses(losses, trained))], ": ", "："), row.where, hint, **took
        )


def prove(
    rows: Iterable[TrainedRow],
    header: TrainHeader,
    limit: float | None,
    not_trained: Mapping[str, int],
) -> Proof:
    """The proof over the rows, of which at most a share of `limit` may be cut.

    Reading `rows` fills `not_trained` (reason → rows).
    """
    counts, cutoff_len = _Counts(), int(header["cutoff_len"])
    rules = ThoughtRules(header["template"], header["thinking"], bool(header["mask_history"]))
    for row in rows:
        counts.add(row, rules, cutoff_len)
    found = counts.found
    over = limit is not None and counts.share > limit
    surviving = [fate for fate in _SURVIVING if found.counts[fate]]
    all_, most = (fits(counts.lengths, share) for share in (1.0, MOST))
    details = [joined([found.first(fate)[0], found.locations(fate)], ": ", "：") for fate in surviving]
    hints = [_surviving(surviving[0], rules)[1]] if surviving else []
    if counts.cut:
        details.insert(0, _cuts(counts, cutoff_len, limit))
        raise_it = Sentence(
            f"data.cutoff_len: {all_} keeps every row, {most} keeps {MOST:.0%} of them",
            f"data.cutoff_len: {all_} 可保留所有行，{most} 可保留其中的 {MOST:.0%}",
        )
        hints.insert(0, raise_it)
    if not counts.rows:
        details = [Sentence("no row is trained", "没有任何一行参与训练")]
        hints = [Sentence("see what was left out", "请查看哪些内容被排除")]
    return Proof(
        name=NAME,
        holds=bool(counts.rows) and not over and not surviving,
        covered=Sentence(
            f"{counts.answers} trained answers in {counts.rows} rows, cutoff_len {cutoff_len}",
            f"{counts.rows} 行中的 {counts.answers} 个训练回答，cutoff_len {cutoff_len}",
        ),
        numbers={
            "rows": counts.rows,
            "cut_rows": counts.cut,
            "cut_share": counts.share,
            **{name: counts.counts[name] for name in _COUNTS},
            "cutoff_len": cutoff_len,
            "cutoff_len_for_all": all_,
            "cutoff_len_for_99_percent": most,
            **{f"thoughts_{name}": counts.fates[fate] for name, fate in _FATES.items()},
        },
        detail=joined(details),
        hint=joined(hints),
        not_covered=joined(left_out(not_trained)),
        findings=found.listed(),
    )


_COUNTS = (
    "cut_answers",
    "answers_not_trained",
    "open_thoughts",
    "lost_tokens",
    "lost_answer_tokens",
    "lost_prompt_tokens",
)
_FATES = {
    "taught": Fate.TAUGHT,
    "removed_by_thinking_off": Fate.REMOVED,
    "removed_from_history": Fate.STRIPPED,
    "not_removed": Fate.SURVIVES_OFF,
    "marked": Fate.MARKED,
    "left_in_history": Fate.SURVIVES_STRIP,
}


def fits(lengths: Mapping[int, int], share: float) -> int:
    """The smallest cutoff_len that is certain to keep a share of the rows; lengths: tokens → rows.

    >>> fits({100: 98, 200: 1, 900: 1}, 1.0), fits({100: 98, 200: 1, 900: 1}, 0.99)
    (901, 201)
    """
    rows, fitting = sum(lengths.values()), 0
    for length, number in sorted(lengths.items()):
        fitting += number
        if fitting >= share * rows:
            return length + SLACK
    return 0


def _losses(losses: Iterable[TurnLoss], trained: Iterable[int]) -> Iterator[Sentence]:
    for loss in losses:
        name, labels, context = answer_name(loss["turn"]), loss["labels"], loss["context"]
        if loss["turn"] not in trained:
            yield Sentence(f"{name} is not trained at all", f"{name.zh}完全没有参与训练")
            continue
        if labels:
            yield Sentence(
                f"{name} loses its last {labels} tokens and its end",
                f"{name.zh}丢失最后 {labels} 个 token 及结尾",
            )
        if context:
            yield Sentence(
                f"the prompt before {name} loses its last {context} tokens, the assistant's mark among them",
                f"{name.zh}之前的提示词丢失末尾 {context} 个 token，包括助手标记",
            )
        if loss["thought_open"]:
            yield Sentence(f"the thought of {name} is never closed", f"{name.zh}的思考没有闭合")


def _cuts(counts: _Counts, cutoff_len: int, limit: float | None) -> Sentence:
    cut, rows, share = counts.cut, counts.rows, counts.share
    allowed, allowed_zh = "", ""
    if limit is not None:
        allowed = f" (data.max_truncated_fraction allows {limit:.2%})"
        allowed_zh = f"（data.max_truncated_fraction 允许 {limit:.2%}）"
    what = Sentence(
        f"cutoff_len {cutoff_len} cuts {cut} of {rows} rows, {share:.2%}{allowed}",
        f"cutoff_len {cutoff_len} 截断了 {rows} 行中的 {cut} 行，占 {share:.2%}{allowed_zh}",
    )
    return joined([what, counts.found.locations(CUT)], ": ", "：")


def _surviving(fate: Fate, rules: ThoughtRules) -> tuple[Sentence, Sentence]:
    """(what an answer does, what fixes it)."""
    mixed = Sentence("or set template.thinking: mixed", "或设置 template.thinking: mixed")
    if fate is Fate.MARKED:
        what = Sentence(
            "contains <think> or </think> in its text, so it is trained without the empty thought that the"
            " server sends",
            "的文本中含有 <think> 或 </think>，因此训练时没有服务端会发送的空思考块",
        )
        return what, joined(
            [Sentence("remove the mark from the answer", "从回答中去掉该标记"), mixed], ", ", "，"
        )
    why = Sentence(
        f"LLaMA-Factory's template {rules.template} removes no thoughts",
        f"LLaMA-Factory 的模板 {rules.template} 不会删除思考",
    )
    hints = [Sentence("remove the thought", "去掉思考")]
    if rules.removes:
        why = Sentence(
            f"LLaMA-Factory removes only thoughts written as {SPELLING}",
            f"LLaMA-Factory 只删除写成 {SPELLING} 的思考",
        )
        hints.append(
            Sentence(
                f"or write it as {SPELLING} (no space before, an empty line after)",
                f"或写成 {SPELLING}（前面没有空格，后面空一行）",
            )
        )
    if fate is Fate.SURVIVES_OFF:
        what = Sentence(
            f"begins with a thought that remains although thinking is off ({why}): it teaches the model to"
            " think",
            f"以思考开头，虽然关闭了思考却仍被保留（{why.zh}）：模型会学到去思考",
        )
        return what, joined([*hints, mixed], ", ", "，")
    what = Sentence(
        f"is an earlier answer whose thought remains although history is stripped ({why})",
        f"是历史回答，虽然设置了 strip，其中的思考仍被保留（{why.zh}）",
    )
    keep = Sentence("or set template.history: keep", "或设置 template.history: keep")
    return what, joined([*hints, keep], ", ", "，")
