"""stop: every trained answer ends with a token at which the server stops, and contains none before.

Some templates (qwen, qwen3, chatml, smollm2) close an answer with `<|im_end|>` and a newline, both trained.
The server has stopped by then, so the token that must stop it is the last labelled one, or, if that is a
single newline, the one before it. An answer that cutoff_len cut before that token is reported by file:line;
the truncation proof judges how many there may be.

Also checks what generation_config.json, tokenizer_config.json and config.json say about the end of an answer.
What changes how answers end refutes the proof; what only other programs would trip over is reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from orchestrator.proofs.findings import Findings
from orchestrator.proofs.trained import TrainedRow, answer_name, left_out
from orchestrator.results import Proof, Sentence, joined

NAME = "stop"
# A newline as byte-level, plain and SentencePiece vocabularies spell it.
NEWLINES = frozenset({"Ċ", "\n", "<0x0A>"})
CUT, NO_STOP, EARLY = "cut before its stop token", "does not stop", "stops early"
NO_END, WRONG_EOS, UNEQUAL = "no end", "wrong eos_token", "files differ"
_REFUTING = (NO_END, WRONG_EOS, NO_STOP, EARLY)


class EosFile(TypedDict):
    """A configuration file and the eos ids that it names."""

    file: str
    eos_token_id: list[int] | None


class StopFacts(TypedDict):
    """What probes/stop_ids.py writes."""

    stop_ids: list[int]
    eos_token_id: int | None
    tokens: Mapping[str, str]
    generation_config: EosFile
    config: EosFile
    tokenizer_config: EosFile


@dataclass(frozen=True, slots=True)
class Served:
    """The server's stop ids, and what the configuration files say.

    Attributes:
        tokens: id → token, of every id that is named here.
        eos: the tokenizer's eos id, as vLLM loaded it. trained_eos: the trainer's, which an export writes.
        generation, config: the eos ids of generation_config.json and config.json, () if they name none.
        files: "generation_config", "config", "tokenizer_config" → its path, for display.
        base_eos: the eos token of the base's tokenizer, "" if unknown.
    """

    stop_ids: frozenset[int]
    tokens: Mapping[int, str]
    eos: int | None
    generation: tuple[int, ...]
    config: tuple[int, ...]
    files: Mapping[str, str]
    base_eos: str = ""
    trained_eos: int | None = None

    @classmethod
    def of(cls, facts: StopFacts, base_eos: str = "", trained_eos: int | None = None) -> Served:
        """From the probe's JSON. Raises KeyError, TypeError, AttributeError or ValueError on other JSON."""
        return cls(
            frozenset(facts["stop_ids"]),
            {int(token): text for token, text in facts["tokens"].items()},
            facts["eos_token_id"],
            tuple(facts["generation_config"]["eos_token_id"] or ()),
            tuple(facts["config"]["eos_token_id"] or ()),
            {
                "generation_config": facts["generation_config"]["file"],
                "config": facts["config"]["file"],
                "tokenizer_config": facts["tokenizer_config"]["file"],
            },
            base_eos,
            trained_eos,
        )


@dataclass(slots=True)
class _Tally:
    """Counts over the rows; `first_row`: token → the first row whose answer it closes."""

    served: Served
    tokens: Mapping[int, str]
    newlines: frozenset[int]
    rows: int = 0
    answers: int = 0
    cut: int = 0
    ends: Counter[int] = field(default_factory=Counter)
    first_row: dict[int, str] = field(default_factory=dict)
    found: Findings = field(default_factory=Findings)

    def add(self, row: TrainedRow) -> None:
        self.rows += 1
        losses = row.losses()
        for turn in row.turns:
            labels = row.ids[turn["start"] : turn["end"]]
            loss = losses.get(turn["turn"])
            cut = loss is not None and loss["labels"] > 0
            self._answer(row.where, turn["turn"], labels, cut=cut)
        trained = {turn["turn"] for turn in row.turns}
        for number in losses:
            if number not in trained:
                self._cut(row.where, number, Sentence("is not trained at all", "完全没有参与训练"))

    def _answer(self, where: str, number: int, labels: Sequence[int], *, cut: bool) -> None:
        self.answers += 1
        stops = self.served.stop_ids
        end = len(labels) - 1
        if end > 0 and labels[end] in self.newlines and (not cut or labels[end - 1] in stops):
            end -= 1
        if cut and labels[end] not in stops:
            self._cut(where, number, Sentence("is cut before its stop token", "在停止 token 之前被截断"))
        else:
            self.ends[labels[end]] += 1
            self.first_row.setdefault(labels[end], where)
        if not stops.isdisjoint(before := labels[:end]):
            self._early(where, number, next(each for each in before if each in stops))

    def _cut(self, where: str, number: int, what: Sentence) -> None:
        self.cut += 1
        hint = Sentence("raise data.cutoff_len", "调大 data.cutoff_len")
        self.found.add(CUT, joined([answer_name(number), what], " ", ""), where, hint)

    def _early(self, where: str, number: int, stop: int) -> None:
        name, token = answer_name(number), self.name(stop)
        what = Sentence(
            f"{name} contains {token} before its end: the server stops there",
            f"{name.zh}在结尾之前含有 {token}：服务端会在那里停止",
        )
        hints = [Sentence("remove the token's text from the answer", "从回答中去掉该 token 的文本")]
        if stop in self.served.generation:
            file = self.served.files["generation_config"]
            hints.append(
                Sentence(
                    f"or remove {stop} from eos_token_id in {file}",
                    f"或从 {file} 的 eos_token_id 中去掉 {stop}",
                )
            )
        self.found.add(EARLY, what, where, joined(hints, ", ", "，"))

    def text(self, token: int | None) -> str:
        return "?" if token is None else self.tokens.get(token) or self.served.tokens.get(token) or "?"

    def name(self, token: int | None) -> str:
        return f"{self.text(token)} ({token})"

    def names(self, tokens: Iterable[int]) -> Sentence:
        named = [self.name(token) for token in sorted(tokens)]
        return joined(named, ", ", "、") or Sentence("nothing", "（无）")


def prove(
    rows: Iterable[TrainedRow], pieces: Mapping[int, str], served: Served, not_trained: Mapping[str, int]
) -> Proof:
    """Whether the server stops where trained answers end; reading `rows` fills `not_trained`."""
    newlines = frozenset(token for token, text in pieces.items() if text in NEWLINES)
    tally = _Tally(served, pieces, newlines)
    for row in rows:
        tally.add(row)
    _no_end(tally)
    _no_stop(tally)
    for kind, what, where, hint in _disagreements(tally) if tally.ends else ():
        tally.found.add(kind, what, where, hint)
    found = tally.found
    refuting = next((kind for kind in _REFUTING if found.counts[kind]), None)
    what, hint, where = found.first(refuting) if refuting else (Sentence(), Sentence(), "")
    cut = Sentence("answers cut before their stop token", "个回答在停止 token 之前被截断")
    ends, stops = tally.names(tally.ends), tally.names(served.stop_ids)
    return Proof(
        name=NAME,
        holds=refuting is None,
        covered=Sentence(
            f"{tally.answers} trained answers in {tally.rows} rows; they end with {ends}; the server stops at"
            f" {stops}",
            f"{tally.rows} 行中的 {tally.answers} 个训练回答；它们以 {ends.zh} 结尾；"
            f"服务端在 {stops.zh} 处停止",
        ),
        numbers={
            "rows": tally.rows,
            "answers": tally.answers,
            "stopped": sum(number for token, number in tally.ends.items() if token in served.stop_ids),
            "not_stopped": sum(n for token, n in tally.ends.items() if token not in served.stop_ids),
            "stopped_early": found.counts[EARLY],
            "cut_before_stop": tally.cut,
            "files_differ": found.counts[UNEQUAL] + found.counts[WRONG_EOS],
        },
        detail=joined([where, what], ": ", "：") if refuting else "",
        hint=hint,
        not_covered=joined(left_out({cut: tally.cut, **not_trained})),
        findings=found.listed(),
    )


def _no_end(tally: _Tally) -> None:
    if not tally.ends:
        what = Sentence(
            "no trained answer reaches its end: nothing teaches the model to stop",
            "没有一个训练回答完整到结尾：模型学不到何时停止",
        )
        hint = Sentence(
            "raise data.cutoff_len; see the truncation proof", "调大 data.cutoff_len；参见 truncation 证明"
        )
        tally.found.add(NO_END, what, hint=hint)


def _no_stop(tally: _Tally) -> None:
    """Tokens that close answers but do not stop the server; the first row of each."""
    served = tally.served
    for token, number in tally.ends.most_common():
        if token not in served.stop_ids:
            name, stops = tally.name(token), tally.names(served.stop_ids)
            what = Sentence(
                f"{number} trained answers end with {name}, and the server stops only at {stops}: it"
                " continues",
                f"{number} 个训练回答以 {name} 结尾，而服务端只在 {stops.zh} 处停止：它会继续生成",
            )
            tally.found.add(NO_STOP, what, tally.first_row[token], _add(served, token))


def _disagreements(tally: _Tally) -> Iterator[tuple[str, Sentence, str, str]]:
    """(kind, what, file, hint) of each file that disagrees with how answers were trained to end."""
    served, ends = tally.served, tally.ends
    (main, _), *_rest = ends.most_common(1)
    names = tally.names(ends)
    trained = Sentence(f"answers are trained to end with {names}", f"训练的回答以 {names.zh} 结尾")
    # vLLM reads config.json only without a generation_config.json.
    leading = served.generation or served.config
    changed = served.trained_eos is not None and served.eos != served.trained_eos
    if changed or served.eos not in ends:
        own = tally.name(served.eos)
        says = Sentence(f"its eos_token is {own}", f"其 eos_token 是 {own}")
        if served.eos is None:
            says = Sentence("it names no eos_token", "没有指定 eos_token")
        if changed:
            other = tally.name(served.trained_eos)
            was = Sentence(f"the trainer's was {other}", f"训练器的是 {other}")
            says = joined([says, was], ", ", "，")
        known = served.eos is None or served.eos in leading
        kind = WRONG_EOS if changed or not known else UNEQUAL
        right = f'"eos_token": "{tally.text(served.trained_eos if changed else main)}"'
        yield kind, joined([says, trained]), served.files["tokenizer_config"], right
    for name, ids in (("generation_config", served.generation), ("config", served.config)):
        if not ids or not ends.keys().isdisjoint(ids):
            continue
        # An eos that LLaMA-Factory put in place of the base's own is new to the base's files; one that the
        # base's tokenizer had before must be known to them, or one of the two is wrong.
        own_eos = bool(served.base_eos) and served.base_eos == tally.tokens.get(main)
        contradicts = name == "generation_config" and own_eos and main not in served.config
        listed = tally.names(ids)
        says = Sentence(f"its eos_token_id is {listed}", f"其 eos_token_id 是 {listed.zh}")
        kind = WRONG_EOS if contradicts else UNEQUAL
        yield kind, joined([says, trained]), served.files[name], _add(served, main)


def _add(served: Served, token: int) -> Sentence:
    ids, file = sorted({token, *served.generation}), served.files["generation_config"]
    return Sentence(f'"eos_token_id": {ids} in {file}', f'在 {file} 中设置 "eos_token_id": {ids}')
