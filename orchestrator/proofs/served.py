"""parity:served: what the running server makes of real requests, against the ids of training.

Every way in which a client sends a conversation is a kind of client ("reasoning", "list content",
"enable_thinking: false", …); the proof is as bad as the worst turn of the worst kind that decides.
Counted, without deciding: a client that lost a thought which training kept, and made-up rows out of reach.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.results import Proof
from orchestrator.templates.compare import ORDER, TurnVerdict

LISTED = 50


@dataclass(frozen=True, slots=True)
class Judged:
    """One request and what came of it.

    Attributes:
        client: the kind of client that sends it.
        where: the row's file:line.
        verdict: of the prompt that the server made; `dropped` when the client lost a trained thought.
        made_up: whether the row was made up for the proof.
    """

    client: str
    where: str
    verdict: TurnVerdict
    made_up: bool = False


def prove(
    judged: Iterable[Judged], *, rows: int, with_system: int, returned: int, skipped: Mapping[str, int]
) -> Proof:
    """Fold every request into the proof.

    Args:
        judged: the requests.
        rows: rows of the recipe and made-up ones that were asked about.
        with_system: those among them that bring a system prompt.
        returned: answers that came back from the server word for word and were sent back as they came.
        skipped: what was not asked, by reason.
    """
    counts: Counter[str] = Counter()
    clients: Counter[str] = Counter()
    bad: list[Judged] = []
    for one in judged:
        if one.verdict.dropped:
            counts["dropped"] += 1
            continue
        if one.made_up and one.verdict.unreachable:
            counts["unreachable"] += 1
            continue
        counts[one.verdict.verdict.value] += 1
        clients[f"client:{one.client}"] += 1
        if not one.verdict.verdict.holds:
            bad.append(one)
    requests = sum(counts[kind.value] for kind in ORDER)
    bad.sort(key=lambda one: -ORDER.index(one.verdict.verdict))
    detail, hint = _said(bad, requests)
    return Proof(
        name="parity:served",
        holds=not bad and requests > 0,
        covered=f"{requests} requests about {rows} rows ({with_system} with a system prompt), in"
        f" {len(clients)} ways in which clients send them",
        numbers={
            "requests": requests,
            **{kind.value: counts[kind.value] for kind in ORDER},
            "dropped": counts["dropped"],
            "returned": returned,
            **clients,
        },
        detail=detail,
        hint=hint,
        not_covered=_not_covered(counts, returned, skipped),
        findings=tuple(_finding(one) for one in bad[:LISTED]),
    )


def _said(bad: Sequence[Judged], requests: int) -> tuple[str, str]:
    if not requests:
        return "the server was asked nothing: no trained row fits into it", "raise serve.max_model_len"
    if not bad:
        return "", ""
    worst = bad[0]
    what = f"the running server makes another prompt than was trained of {len(bad)} requests"
    return f"{what}; a client that sends {worst.client}: {worst.verdict.explanation}", worst.verdict.hint


def _finding(one: Judged) -> dict[str, Any]:
    told = one.verdict.to_json()
    what = f"answer {one.verdict.turn + 1}, a client that sends {one.client}: {one.verdict.explanation}"
    return {"what": what, "where": one.where, "hint": one.verdict.hint, "client": one.client, **told}


def _not_covered(counts: Mapping[str, int], returned: int, skipped: Mapping[str, int]) -> str:
    words = [f"{number} {reason}" for reason, number in sorted(skipped.items()) if number]
    if counts["dropped"]:
        words.append(f"{counts['dropped']} requests of clients that lose a thought which training kept")
    if counts["unreachable"]:
        words.append(
            f"{counts['unreachable']} requests about made-up answers that are the same text in other ids: no"
            " chat template reaches them"
        )
    if not returned:
        words.append("the reasoning parser's own output: no first answer came back word for word")
    return "; ".join(words)
