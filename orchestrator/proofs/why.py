"""Where the effect of tuning is lost: the same questions put to base, adapter, export and server. Pure.

    base → base+adapter → merged → served_ids → served_chat

Each arm differs from the one before it in one thing: the training, the merge, the server with its weights and
numerics (it is sent the very token ids of training), the prompt that the server makes of messages. A question
that one arm answers right and the next one wrong was lost between them; the first such place is the answer.
It is not a Proof: a few questions show a loss, they do not prove that there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.results import Proof

BASE, ADAPTER, MERGED = "base", "base+adapter", "merged"
SERVED_IDS, SERVED_CHAT = "served_ids", "served_chat"
ARMS = (BASE, ADAPTER, MERGED, SERVED_IDS, SERVED_CHAT)

DATA, TRAINING, MERGE = "data", "training", "merge"
SERVED_WEIGHTS, SERVED_PROMPT, SERVED = "served weights", "served prompt", "served"
# The proofs that speak of each place, the most telling first.
WITNESSES: Mapping[str, tuple[str, ...]] = {
    DATA: ("tokenizer",),
    TRAINING: ("loss", "truncation"),
    MERGE: ("merge", "hashes"),
    SERVED_WEIGHTS: ("loss", "hashes", "merge"),
    SERVED_PROMPT: ("parity:served", "parity:export", "parity:data", "stop"),
    SERVED: ("parity:served", "parity:export", "loss", "hashes"),
}
HINTS: Mapping[str, str] = {
    DATA: "conch prove {recipe} names the versions and what each reads; then conch sft {recipe} trains anew",
    TRAINING: "look at the loss in logs/train.log; raise train.epochs or train.learning_rate, then"
    " conch sft {recipe}",
    MERGE: "move the run's export folder away, then conch sft {recipe} merges again; conch prove {recipe}"
    " names the tensors",
    SERVED_WEIGHTS: "see that the server loads this export, in serve's dtype (on a CPU eager float32), and no"
    " other sampling defaults; conch prove {recipe} scores its weights",
    SERVED_PROMPT: "serve with the run's own chat_template.jinja; conch parity {recipe} names the first token"
    " that differs",
    SERVED: "conch prove {recipe} tells its weights from its prompt",
}
FINDINGS = 3


@dataclass(frozen=True, slots=True)
class StageAnswers:
    """What one arm answered.

    Attributes:
        name: one of ARMS.
        passed: case → whether every check of it passed.
        answers: case → its last answer, as a person is shown it.
        source: where the answers come from, in words.
    """

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
    """The first place where the effect is lost.

    Attributes:
        lost_at: one of WITNESSES; "" when nothing is lost.
        sentence: what was seen.
        evidence: what else says so, a sentence each.
        hint: what to do, "" when nothing is lost.
        cases: the cases that are lost there.
    """

    lost_at: str
    sentence: str
    evidence: tuple[str, ...] = ()
    hint: str = ""
    cases: tuple[str, ...] = ()


def first_loss(
    arms: Sequence[StageAnswers],
    proofs: Iterable[Proof],
    *,
    recipe: str,
    changed: Sequence[str] = (),
    parted: Mapping[str, str] | None = None,
) -> Explanation:
    """Fold arms and proofs into the first place of loss.

    Args:
        arms: in the order of ARMS; served_ids may be absent, and both served ones.
        proofs: of the run, as far as they were made.
        recipe: the name for commands.
        changed: what was changed since it was proven, a sentence each.
        parted: case → where the server's prompt leaves the one of training, a sentence.
    """
    known = {proof.name: proof for proof in proofs}
    found = {arm.name: arm for arm in arms}
    lost_at, cases, seen = _arms(found)
    if not lost_at:
        return Explanation("", seen, tuple(_heads(known, known)))
    tokenizer = known.get("tokenizer")
    if tokenizer is not None and not tokenizer.holds:
        lost_at, seen = DATA, f"training read other tokens than the server does; {seen}"
    evidence = [*_alike(found, lost_at, cases)]
    if lost_at not in (DATA, TRAINING):
        evidence += changed
    if lost_at in (SERVED_PROMPT, SERVED):
        evidence += [(parted or {})[case] for case in cases if case in (parted or {})][:FINDINGS]
    evidence += _refuted(known, WITNESSES[lost_at])
    evidence += _stale(known, lost_at)
    if lost_at == TRAINING:
        evidence += _training(known)
    return Explanation(lost_at, seen, tuple(evidence), _fix(known, lost_at, recipe), cases)


def _arms(found: Mapping[str, StageAnswers]) -> tuple[str, tuple[str, ...], str]:
    """(place or "", the lost cases, what was seen)."""
    base, tuned = found[BASE], found[ADAPTER]
    asked = len(tuned.passed)
    if tuned.good <= base.good and tuned.good < asked:
        cases = tuple(case for case, passed in tuned.passed.items() if not passed)
        what = (
            f"base+adapter answers {tuned.good} of {asked} right, the base {base.good}: training taught none"
        )
        return TRAINING, cases, f"the effect is lost in training: {what} of these questions"
    steps = [(ADAPTER, MERGED, MERGE, "in the merge")]
    if SERVED_IDS in found:
        steps.append((MERGED, SERVED_IDS, SERVED_WEIGHTS, "in the served weights"))
        steps.append((SERVED_IDS, SERVED_CHAT, SERVED_PROMPT, "in the served prompt"))
    else:
        steps.append((MERGED, SERVED_CHAT, SERVED, "in the server"))
    for before, after, place, words in steps:
        if before not in found or after not in found:
            continue
        one, other = found[before], found[after]
        cases = tuple(case for case, passed in one.passed.items() if passed and not other.passed.get(case))
        if cases:
            what = f"{before} answers {one.good} of {asked} right, {after} {other.good}"
            return place, cases, f"the effect is lost {words}: {what}"
    last = next(found[name] for name in reversed(ARMS) if name in found)
    few = f"; training did not teach the other {asked - tuned.good}" if tuned.good < asked else ""
    what = (
        f"base+adapter answers {tuned.good} of {asked} right, {last.name} {last.good}, the base {base.good}"
    )
    return "", (), f"nothing is lost: {what}{few}"


def _alike(found: Mapping[str, StageAnswers], lost_at: str, cases: Sequence[str]) -> list[str]:
    """Whether the arm that lost answers as the base does."""
    place = {MERGE: MERGED, SERVED_WEIGHTS: SERVED_IDS, SERVED_PROMPT: SERVED_CHAT, SERVED: SERVED_CHAT}
    if lost_at == TRAINING:
        place[TRAINING] = ADAPTER
    arm, base = found.get(place.get(lost_at, "")), found[BASE]
    if arm is None:
        return []
    same = [case for case in cases if case in arm.answers and arm.answers[case] == base.answers.get(case)]
    told = f"{arm.name} answers {len(same)} of {len(cases)} lost questions word for word as the base does"
    return [told] if same else []


def _heads(known: Mapping[str, Proof], names: Iterable[str]) -> Iterable[str]:
    """What each proof that does not hold says."""
    for name in names:
        if name in known and not known[name].holds:
            yield f"proof {name} does not hold: {known[name].detail}"


def _refuted(known: Mapping[str, Proof], names: Iterable[str]) -> Iterable[str]:
    """The same, each with its first findings."""
    for name in names:
        for head in _heads(known, (name,)):
            yield head
            for finding in known[name].findings[:FINDINGS]:
                where = f"{finding['where']}  " if finding.get("where") else ""
                yield f"  {where}{finding['what']}"


def _stale(known: Mapping[str, Proof], lost_at: str) -> list[str]:
    """A proof of this place that holds, though the answers say otherwise."""
    name = {MERGE: "merge", SERVED_WEIGHTS: "loss"}.get(lost_at, "")
    if name not in known or not known[name].holds:
        return []
    return [f"proof {name} held when it was made: the files or the server are others now, or numerics differ"]


def _training(known: Mapping[str, Proof]) -> list[str]:
    """What training made of the rows, where the proofs hold too."""
    told = []
    cut = known.get("truncation")
    if cut is not None and cut.holds and cut.numbers.get("cut_rows"):
        told.append(f"rows were cut: {cut.detail}")
    if "loss" in known and known["loss"].holds:
        told.append(f"proof loss: {known['loss'].detail}")
    return told


def _fix(known: Mapping[str, Proof], lost_at: str, recipe: str) -> str:
    """What the first proof that names it says, and the way that always leads on."""
    said = (known[name].hint for name in WITNESSES[lost_at] if name in known and not known[name].holds)
    first = next((hint for hint in said if hint), "")
    cut = known.get("truncation")
    if not first and lost_at == TRAINING and cut is not None and cut.numbers.get("cut_rows"):
        first = cut.hint
    return "; ".join(part for part in (first, HINTS[lost_at].format(recipe=recipe)) if part)
