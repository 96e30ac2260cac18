"""Finds where the effect of tuning is lost: the same questions asked of base, adapter, export and server.

    base → base+adapter → merged → served_ids → served_chat

Each stage differs from the one before it in one thing: the training, the merge, the server's weights and
numerics (it receives the token ids of training), the prompt that the server makes of messages. A question
that one stage answers correctly and the next one does not was lost between them; the first such stage is the
answer. This is not a Proof: a few questions show a loss, they do not prove that there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.results import Proof, Sentence, in_chinese, joined

BASE, ADAPTER, MERGED = "base", "base+adapter", "merged"
SERVED_IDS, SERVED_CHAT = "served_ids", "served_chat"
STAGES = (BASE, ADAPTER, MERGED, SERVED_IDS, SERVED_CHAT)

DATA, TRAINING, MERGE = "data", "training", "merge"
SERVED_WEIGHTS, SERVED_PROMPT, SERVED = "served weights", "served prompt", "served"
FINDINGS = 3


@dataclass(frozen=True, slots=True)
class _Loss:
    """A step in which the effect can be lost.

    Attributes:
        proofs: those that cover it, the most telling first.
        stage: the first stage that lacks the effect.
        hint: what to do; {recipe} is the recipe.
    """

    name: Sentence
    proofs: tuple[str, ...]
    stage: str
    hint: Sentence


LOSSES: Mapping[str, _Loss] = {
    DATA: _Loss(
        Sentence("the data", "数据"),
        ("tokenizer",),
        "",
        Sentence(
            "conch prove {recipe} names the versions and what each reads; then conch sft {recipe} trains"
            " again",
            "conch prove {recipe} 会指出各版本及其读到的内容；然后用 conch sft {recipe} 重新训练",
        ),
    ),
    TRAINING: _Loss(
        Sentence("training", "训练"),
        ("loss", "truncation"),
        ADAPTER,
        Sentence(
            "check the loss in logs/train.log; raise train.epochs or train.learning_rate, then conch sft"
            " {recipe}",
            "检查 logs/train.log 中的损失；调大 train.epochs 或 train.learning_rate，"
            "再运行 conch sft {recipe}",
        ),
    ),
    MERGE: _Loss(
        Sentence("the merge", "合并"),
        ("merge", "hashes"),
        MERGED,
        Sentence(
            "move the run's export folder away, then conch sft {recipe} merges again; conch prove {recipe}"
            " names the tensors",
            "移走本次运行的 export 目录，conch sft {recipe} 会重新合并；conch prove {recipe} 会指出具体张量",
        ),
    ),
    SERVED_WEIGHTS: _Loss(
        Sentence("the served weights", "服务端的权重"),
        ("loss", "hashes", "merge"),
        SERVED_IDS,
        Sentence(
            "check that the server loads this export, in serve's dtype (on a CPU eager float32), without"
            " other sampling defaults; conch prove {recipe} scores its weights",
            "确认服务端加载的是这个导出模型，使用 serve 的 dtype（CPU 上为 eager float32），"
            "且没有其他采样默认值；conch prove {recipe} 会检验它的权重",
        ),
    ),
    SERVED_PROMPT: _Loss(
        Sentence("the served prompt", "服务端的提示词"),
        ("parity:served", "parity:export", "parity:data", "stop"),
        SERVED_CHAT,
        Sentence(
            "serve with the run's own chat_template.jinja; conch parity {recipe} names the first token that"
            " differs",
            "部署时使用本次运行的 chat_template.jinja；conch parity {recipe} 会指出第一个不同的 token",
        ),
    ),
    SERVED: _Loss(
        Sentence("the server", "服务端"),
        ("parity:served", "parity:export", "loss", "hashes"),
        SERVED_CHAT,
        Sentence(
            "conch prove {recipe} distinguishes its weights from its prompt",
            "conch prove {recipe} 可以区分是权重还是提示词的问题",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class StageAnswers:
    """The answers of one of STAGES: per case whether all checks passed, and its last answer for display."""

    name: str
    passed: Mapping[str, bool]
    answers: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    @property
    def good(self) -> int:
        """How many cases passed."""
        return sum(self.passed.values())


@dataclass(frozen=True, slots=True)
class Explanation:
    """The first step in which the effect is lost: a key of LOSSES, "" if nothing is lost."""

    lost_at: str
    sentence: Sentence
    evidence: tuple[str, ...] = ()
    hint: str = ""
    cases: tuple[str, ...] = ()


def first_loss(
    stages: Sequence[StageAnswers],
    proofs: Iterable[Proof],
    *,
    recipe: str,
    changed: Sequence[str] = (),
    parted: Mapping[str, str] | None = None,
) -> Explanation:
    """Fold answers, in the order of STAGES, and the run's proofs into the first step that loses the effect.

    `changed` names what was changed since it was proven; `parted`: case → where the server's prompt differs.
    Either served stage may be absent.
    """
    known = {proof.name: proof for proof in proofs}
    found = {stage.name: stage for stage in stages}
    lost_at, cases, result = _compare(found)
    if not lost_at:
        return Explanation("", result, tuple(_failures(known, known)))
    tokenizer = known.get("tokenizer")
    if tokenizer is not None and not tokenizer.holds:
        lost_at = DATA
        other = Sentence("training read other tokens than the server does", "训练读到的 token 与服务端不同")
        result = joined([other, result])
    evidence: list[str] = [*_like_base(found, lost_at, cases)]
    if lost_at not in (DATA, TRAINING):
        evidence += changed
    if lost_at in (SERVED_PROMPT, SERVED):
        evidence += [(parted or {})[case] for case in cases if case in (parted or {})][:FINDINGS]
    evidence += _refuted(known, LOSSES[lost_at].proofs)
    evidence += _stale(known, lost_at)
    if lost_at == TRAINING:
        evidence += _training(known)
    return Explanation(lost_at, result, tuple(evidence), _hint(known, lost_at, recipe), cases)


def _compare(found: Mapping[str, StageAnswers]) -> tuple[str, tuple[str, ...], Sentence]:
    """(a key of LOSSES or "", the lost cases, the result)."""
    base, tuned = found[BASE], found[ADAPTER]
    total = len(tuned.passed)
    if tuned.good <= base.good and tuned.good < total:
        cases = tuple(case for case, passed in tuned.passed.items() if not passed)
        what = Sentence(
            f"base+adapter answers {tuned.good} of {total} correctly, the base {base.good}: training did not"
            " improve these answers",
            f"base+adapter 在 {total} 题中答对 {tuned.good} 题，基座答对 {base.good} 题："
            "训练没有改善这些回答",
        )
        return TRAINING, cases, _lost(TRAINING, what)
    steps = [(ADAPTER, MERGED, MERGE)]
    if SERVED_IDS in found:
        steps += [(MERGED, SERVED_IDS, SERVED_WEIGHTS), (SERVED_IDS, SERVED_CHAT, SERVED_PROMPT)]
    else:
        steps.append((MERGED, SERVED_CHAT, SERVED))
    for before, after, step in steps:
        if before not in found or after not in found:
            continue
        one, other = found[before], found[after]
        cases = tuple(case for case, passed in one.passed.items() if passed and not other.passed.get(case))
        if cases:
            what = Sentence(
                f"{before} answers {one.good} of {total} correctly, {after} {other.good}",
                f"{before} 在 {total} 题中答对 {one.good} 题，{after} 答对 {other.good} 题",
            )
            return step, cases, _lost(step, what)
    last = next(found[name] for name in reversed(STAGES) if name in found)
    what = Sentence(
        f"nothing is lost: base+adapter answers {tuned.good} of {total} correctly, {last.name} {last.good},"
        f" the base {base.good}",
        f"效果没有丢失：base+adapter 在 {total} 题中答对 {tuned.good} 题，{last.name} 答对 {last.good} 题，"
        f"基座答对 {base.good} 题",
    )
    few = Sentence()
    if rest := total - tuned.good:
        few = Sentence(f"training did not teach the other {rest}", f"其余 {rest} 题训练后仍未学会")
    return "", (), joined([what, few])


def _lost(step: str, what: Sentence) -> Sentence:
    name = LOSSES[step].name
    return Sentence(f"the effect is lost in {name}: {what}", f"效果在{name.zh}这一步丢失：{what.zh}")


def _like_base(found: Mapping[str, StageAnswers], lost_at: str, cases: Sequence[str]) -> Iterator[Sentence]:
    """Whether the stage that lost answers as the base does."""
    stage, base = found.get(LOSSES[lost_at].stage), found[BASE]
    if stage is None:
        return
    same = [case for case in cases if case in stage.answers and stage.answers[case] == base.answers.get(case)]
    if same:
        yield Sentence(
            f"{stage.name} answers {len(same)} of {len(cases)} lost questions word for word as the base does",
            f"{stage.name} 对 {len(cases)} 个丢失的问题中的 {len(same)} 个，回答与基座逐字相同",
        )


def _failures(known: Mapping[str, Proof], names: Iterable[str]) -> Iterator[Sentence]:
    """The detail of each proof that does not hold."""
    for name in names:
        if name in known and not known[name].holds:
            detail = known[name].detail
            yield Sentence(
                f"proof {name} does not hold: {detail}", f"证明 {name} 不成立：{in_chinese(detail)}"
            )


def _refuted(known: Mapping[str, Proof], names: Iterable[str]) -> Iterator[str]:
    """The same, each with its first findings."""
    for name in names:
        for failure in _failures(known, (name,)):
            yield failure
            for finding in known[name].findings[:FINDINGS]:
                where = f"{finding['where']}  " if finding.get("where") else ""
                yield joined([f"  {where}", finding["what"]], "", "")


def _stale(known: Mapping[str, Proof], lost_at: str) -> Iterator[Sentence]:
    """A proof of this step that holds, although the answers contradict it."""
    name = {MERGE: "merge", SERVED_WEIGHTS: "loss"}.get(lost_at, "")
    if name in known and known[name].holds:
        yield Sentence(
            f"proof {name} held when it was made: the files or the server changed since, or numerics differ",
            f"证明 {name} 在生成时是成立的：此后文件或服务端变了，或数值精度不同",
        )


def _training(known: Mapping[str, Proof]) -> Iterator[Sentence]:
    """What training did with the rows, from proofs that hold."""
    cut = known.get("truncation")
    if cut is not None and cut.holds and cut.numbers.get("cut_rows"):
        yield Sentence(f"rows were cut: {cut.detail}", f"有数据行被截断：{in_chinese(cut.detail)}")
    if "loss" in known and known["loss"].holds:
        detail = known["loss"].detail
        yield Sentence(f"proof loss: {detail}", f"证明 loss：{in_chinese(detail)}")


def _hint(known: Mapping[str, Proof], lost_at: str, recipe: str) -> Sentence:
    """The hint of the first proof that names the cause, and the way that always helps."""
    failed = (known[name].hint for name in LOSSES[lost_at].proofs if name in known and not known[name].holds)
    first = next((hint for hint in failed if hint), "")
    cut = known.get("truncation")
    if not first and lost_at == TRAINING and cut is not None and cut.numbers.get("cut_rows"):
        first = cut.hint
    hint = LOSSES[lost_at].hint
    return joined([first, Sentence(hint.format(recipe=recipe), hint.zh.format(recipe=recipe))])
