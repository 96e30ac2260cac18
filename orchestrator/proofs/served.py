"""parity:served: the prompts that the running server makes of real requests, against the ids of training.

Every way in which a client sends a conversation is a kind of client ("reasoning", "list content",
"enable_thinking: false", …). The worst turn of the worst kind decides. Counted without deciding: a client
that lost a thought which training kept, and generated rows that no template can reach.

And the content of the server's own answers, whole and streamed, begins with the answer, whatever engine
serves them: clients show it as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.probes.spellings import without_blank_lines
from orchestrator.proofs.findings import Finding
from orchestrator.proofs.trained import answer_name, left_out
from orchestrator.results import Proof, Sentence, in_chinese, joined
from orchestrator.templates.compare import ORDER, TurnVerdict

LISTED = 50


@dataclass(frozen=True, slots=True)
class Judged:
    """One request, the kind of client that sends it, and the verdict on the server's prompt."""

    client: str
    where: str
    verdict: TurnVerdict
    generated: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """The content of one of the server's own answers, as a client sees it."""

    where: str
    text: str
    streamed: bool = False

    @property
    def is_clean(self) -> bool:
        """Whether it begins with the answer, not with blank lines."""
        return without_blank_lines(self.text) == self.text


def prove(
    judged: Iterable[Judged],
    *,
    rows: int,
    with_system: int,
    returned: int,
    skipped: Mapping[str, int],
    contents: Sequence[Content] = (),
) -> Proof:
    """Fold every request into the proof.

    `returned` counts the server's own answers that equalled the data and were sent back unchanged, `skipped`
    the requests that were not sent, by reason.
    """
    blank = [one for one in contents if not one.is_clean]
    counts: Counter[str] = Counter()
    clients: Counter[str] = Counter()
    bad: list[Judged] = []
    for one in judged:
        if one.verdict.dropped:
            counts["dropped"] += 1
            continue
        if one.generated and one.verdict.unreachable:
            counts["unreachable"] += 1
            continue
        counts[one.verdict.verdict.value] += 1
        clients[f"client:{one.client}"] += 1
        if not one.verdict.verdict.holds:
            bad.append(one)
    requests = sum(counts[kind.value] for kind in ORDER)
    bad.sort(key=lambda one: -ORDER.index(one.verdict.verdict))
    detail, hint = _cause(bad, requests)
    if blank:
        detail, hint = joined([detail, _of_content(blank[0])]), hint or _CLEAN
    return Proof(
        name="parity:served",
        holds=not bad and not blank and requests > 0,
        covered=Sentence(
            f"{requests} requests for {rows} rows ({with_system} with a system prompt), in {len(clients)}"
            " ways in which clients send them",
            f"针对 {rows} 行数据（其中 {with_system} 行带系统提示词）的 {requests} 个请求，"
            f"涵盖客户端的 {len(clients)} 种发送方式",
        ),
        numbers={
            "requests": requests,
            **{kind.value: counts[kind.value] for kind in ORDER},
            "dropped": counts["dropped"],
            "returned": returned,
            "contents": len(contents),
            "blank": len(blank),
            **clients,
        },
        detail=detail,
        hint=hint,
        not_covered=_not_covered(counts, returned, skipped),
        findings=(
            *(_finding(one) for one in bad[:LISTED]),
            *({"what": _of_content(one), "where": one.where, "fix": _CLEAN} for one in blank[:LISTED]),
        ),
    )


def _cause(bad: Sequence[Judged], requests: int) -> tuple[Sentence, str]:
    if not requests:
        what = Sentence(
            "no request was sent: no trained row fits into the server's context",
            "没有发送任何请求：没有一行训练数据放得进服务端的上下文",
        )
        return what, Sentence("raise serve.max_model_len", "调大 serve.max_model_len")
    if not bad:
        return Sentence(), ""
    worst = bad[0]
    what = Sentence(
        f"the running server makes a different prompt than was trained for {len(bad)} requests",
        f"对 {len(bad)} 个请求，服务端生成的提示词与训练时不同",
    )
    return joined([what, _of_client(worst)]), worst.verdict.hint


_CLEAN = Sentence(
    "let Conch start the server: its engines take blank lines off (docs/proofs.md)",
    "请由 Conch 启动服务：Conch 的推理引擎会去掉开头的空行（见 docs/proofs.md）",
)


def _of_content(one: Content) -> Sentence:
    shown = repr(one.text[:20])
    return Sentence(
        f"the content of {'a streamed' if one.streamed else 'an'} answer begins with a blank line: {shown}",
        f"{'流式' if one.streamed else ''}回答的 content 以空行开头：{shown}",
    )


def _of_client(one: Judged) -> Sentence:
    why = one.verdict.explanation
    return Sentence(
        f"a client that sends {one.client}: {why}",
        f"客户端发送 {in_chinese(one.client)} 时：{in_chinese(why)}",
    )


def _finding(one: Judged) -> Finding:
    what = joined([answer_name(one.verdict.turn), _of_client(one)], ", ", "，")
    why, hint = one.verdict.explanation, one.verdict.hint
    return {
        **one.verdict.to_json(),
        "what": what,
        "where": one.where,
        "explanation": why,
        "hint": hint,
        "client": one.client,
    }


def _not_covered(counts: Mapping[str, int], returned: int, skipped: Mapping[str, int]) -> Sentence:
    dropped = Sentence(
        "requests of clients that lose a thought which training kept",
        "个请求来自会丢掉思考的客户端，而训练时保留了思考",
    )
    unreachable = Sentence(
        "requests for generated answers that are the same text with other ids: no chat template reaches them",
        "个请求的生成回答文本相同而 id 不同：任何对话模板都无法得到",
    )
    reasons = {
        **dict(sorted(skipped.items())),
        dropped: counts["dropped"],
        unreachable: counts["unreachable"],
    }
    none = Sentence(
        "the reasoning parser's own output: no first answer equalled the data word for word",
        "思考解析器自身的输出：没有一个首轮回答与数据逐字相同",
    )
    return joined([*left_out(reasons), "" if returned else none])
