"""Why a served prompt differs from the trained one, in one sentence, and the setting that mends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.templates.pieces import Pieces
from orchestrator.templates.writer import EMPTY_THOUGHT

PAIRED = "serve with the chat template that is paired with this training (`conch ls`)"
PIN = (
    "pin the {name} environment's transformers to a version that loads this tokenizer rightly (for"
    " DeepSeek-R1-Distill-Qwen 5.5.x does, 5.6.0 to 5.7.0 do not), or set"
    ' "tokenizer_class": "PreTrainedTokenizerFast" in a copy of the model\'s tokenizer_config.json'
)
SHOWN = 60


@dataclass(frozen=True, slots=True)
class Training:
    """How it was trained, as far as it explains a difference.

    Attributes:
        template: LLaMA-Factory's; "" when not known.
        thinking: its enable_thinking; None is mixed.
        mask_history: whether earlier answers lost their thoughts.
        bos: the id of the begin-of-sentence token, None for none.
    """

    template: str = ""
    thinking: bool | None = True
    mask_history: bool = False
    bos: int | None = None

    @property
    def keeps_thoughts(self) -> bool:
        """Whether earlier answers were trained with their thoughts."""
        return not self.mask_history and self.thinking is not False


@dataclass(frozen=True, slots=True)
class Difference:
    """Two lists of ids and the place where they part.

    Attributes:
        kind: prefill, missing, forced or differs.
        context, labels: of training; served: the prompt.
        error: why the server refuses the request, "" when it does not.
    """

    kind: str
    position: int
    context: Sequence[int]
    labels: Sequence[int]
    served: Sequence[int]
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Texts:
    """What stands from the difference on, on both sides, and whether the whole texts are the same.

    Attributes:
        forced: what the server sends beyond the training context; answer: what was trained there.
    """

    trained: str
    served: str
    forced: str
    answer: str
    same: bool


Sentence = tuple[str, str]


def explain(difference: Difference, training: Training, pieces: tuple[Pieces, Pieces]) -> Sentence:
    """(explanation, mend) of a difference."""
    ours, theirs = pieces
    at = difference.position
    texts = _Texts(
        trained=ours.text(difference.context[at:]),
        served=theirs.text(difference.served[at:]),
        forced=theirs.text(difference.served[len(difference.context) :]),
        answer=ours.text(difference.labels),
        same=is_unreachable(difference, pieces),
    )
    return next(found for rule in _RULES if (found := rule(difference, training, texts)))


def is_unreachable(difference: Difference, pieces: tuple[Pieces, Pieces]) -> bool:
    """Whether both sides are the same text in other ids: a text has one encoding, so no jinja gets there."""
    return not difference.error and pieces[0].raw(difference.context) == pieces[1].raw(difference.served)


def explain_round_trip(train: Mapping[str, Any], serve: Mapping[str, Any]) -> Sentence:
    """(explanation, mend) when a probe's header tells of a tokenizer that does not give back its input.

    ("", "") when both tokenizers do.
    """
    for name, header in (("train", train), ("serve", serve)):
        failures = header["round_trip"]["failures"]
        if failures:
            first, version = failures[0], header["versions"].get("transformers", "?")
            harm = "trained on" if name == "train" else "asked"
            sentence = (
                f"the {name} environment's tokenizer ({header['tokenizer']}, transformers {version}) reads"
                f" {first['text']!r} as {first['decoded']!r}: the model would be {harm} something else than"
                " what was written"
            )
            return sentence, PIN.format(name=name)
    return "", ""


def _refused(difference: Difference, _training: Training, _texts: _Texts) -> Sentence | None:
    if not difference.error:
        return None
    return f"the server refuses this request: {difference.error}", PAIRED


def _prefill(difference: Difference, _training: Training, _texts: _Texts) -> Sentence | None:
    if difference.kind != "prefill":
        return None
    return "the served prompt ends in the first tokens that the model was trained to write: harmless", ""


def _unreachable(difference: Difference, _training: Training, texts: _Texts) -> Sentence | None:
    if difference.kind != "differs" or not texts.same:
        return None
    sentence = (
        "unreachable: the trainer joined pieces that the tokenizer, given all at once, encodes otherwise"
        " (the same text, other ids); no chat template can be equal here"
    )
    return sentence, (
        "begin no answer with a newline; where none does, this tokenizer and this training template do not go"
        " together"
    )


def _double_bos(difference: Difference, training: Training, _texts: _Texts) -> Sentence | None:
    bos = training.bos
    if bos is None or list(difference.served[:2]) != [bos, bos] or list(difference.context[:2]) == [bos, bos]:
        return None
    return (
        "the served prompt begins with the begin-of-sentence token twice",
        "the chat template prints it, so the tokenizer must not add another: send add_special_tokens: false",
    )


def _missing(difference: Difference, _training: Training, texts: _Texts) -> Sentence | None:
    if difference.kind != "missing":
        return None
    sentence = (
        f"the trained prompt goes on with {_short(texts.trained)}, without loss, so the model never learned"
        " to write it, and the server does not send it"
    )
    return sentence, f"{PAIRED}; where the template has the switch, send enable_thinking: false"


def _forced(difference: Difference, _training: Training, texts: _Texts) -> Sentence | None:
    if difference.kind != "forced":
        return None
    sentence = (
        f"the server writes the answer's beginning itself, {_short(texts.forced)}, and the trained answer"
        f" begins with {_short(texts.answer)}: a state that the model never saw"
    )
    return sentence, PAIRED


def _thoughts_in_history(_difference: Difference, training: Training, texts: _Texts) -> Sentence | None:
    trained, served = texts.trained.startswith("<think>"), texts.served.startswith("<think>")
    if trained == served or texts.trained == EMPTY_THOUGHT:
        return None
    if trained:
        return (
            "the server removes an earlier answer's thought, which training kept (mask_history: false)",
            f"{PAIRED}; or train with template.history: strip",
        )
    reason = "training removed (mask_history: true)" if training.mask_history else "was not trained"
    return f"the server keeps a thought that {reason}", f"{PAIRED}; or train with template.history: keep"


def _thought_spelled(_difference: Difference, _training: Training, texts: _Texts) -> Sentence | None:
    if not texts.trained.lstrip("\n").startswith("</think>") or not texts.served.startswith("\n"):
        return None
    sentence = (
        "the trained prompt has an empty thought here, and the server opens another one:"
        f" {_short(texts.trained)} against {_short(texts.served)}"
    )
    return sentence, PAIRED


def _before_the_question(difference: Difference, training: Training, _texts: _Texts) -> Sentence | None:
    first = 0 if training.bos is None else 1
    if difference.position > first:
        return None
    sentence = (
        "the two part before the first message: a begin-of-sentence token, a default system prompt or another"
        " family's marks stand on one side only"
    )
    return sentence, PAIRED


def _anything(_difference: Difference, _training: Training, texts: _Texts) -> Sentence | None:
    return f"trained on {_short(texts.trained)} where the server sends {_short(texts.served)}", PAIRED


_RULES: tuple[Callable[[Difference, Training, _Texts], Sentence | None], ...] = (
    _refused,
    _prefill,
    _double_bos,
    _missing,
    _forced,
    _unreachable,
    _thoughts_in_history,
    _thought_spelled,
    _before_the_question,
    _anything,
)


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")
