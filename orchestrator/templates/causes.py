"""The causes for which a served prompt differs, each a rule: facts in, (explanation, fix) or None out."""

from __future__ import annotations

import re
from collections.abc import Callable

from orchestrator.templates.sides import Difference, PromptDiff, Training, is_unreachable
from orchestrator.templates.writer import EMPTY_THOUGHT, THOUGHT_OPENS

PAIRED = "serve with the chat template that is paired with this training (`conch ls templates`)"
RESPELL = r"spell thoughts in the data as <think>\n…\n</think>\n\n, before the answer"
NO_NEWLINE = "begin no answer in the data with a newline"
SHOWN = 60

Sentence = tuple[str, str]


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def _refused(difference: Difference, _training: Training, _sides: PromptDiff) -> Sentence | None:
    if not difference.error:
        return None
    return f"the server refuses this request: {difference.error}", PAIRED


def _prefill(difference: Difference, _training: Training, _sides: PromptDiff) -> Sentence | None:
    if difference.kind != "prefill":
        return None
    return "the served prompt ends in the first tokens that the model was trained to write: harmless", ""


def _begin_of_sentence(difference: Difference, training: Training, _sides: PromptDiff) -> Sentence | None:
    bos = training.bos
    if bos is None or difference.position > 1:
        return None
    trained, served = list(difference.context[:2]), list(difference.served[:2])
    if served == [bos, bos] and trained != served:
        return (
            (
                "the served prompt begins with the begin-of-sentence token twice: the chat template prints"
                " one, and prints another or lets the tokenizer add it"
            ),
            f"{PAIRED}, it prints one; where the tokenizer adds another, send add_special_tokens: false",
        )
    if (trained[:1] == [bos]) == (served[:1] == [bos]):
        return None
    has, lacks = ("trained", "served") if trained[:1] == [bos] else ("served", "trained")
    return f"the {has} prompt begins with the begin-of-sentence token, the {lacks} one does not", PAIRED


def _missing(difference: Difference, _training: Training, sides: PromptDiff) -> Sentence | None:
    if difference.kind != "missing":
        return None
    sentence = (
        f"the trained prompt goes on with {_short(sides.trained)}, without loss, so the model never learned"
        " to write it, and the server does not send it"
    )
    if sides.trained != EMPTY_THOUGHT:
        return sentence, PAIRED
    return (
        f"{sentence}: it is the empty thought of training without thinking",
        (
            f"{PAIRED}; where the template has the switch, send enable_thinking: false; or train with"
            " template.thinking: on, so that the model writes it"
        ),
    )


def _forced(difference: Difference, training: Training, sides: PromptDiff) -> Sentence | None:
    if difference.kind != "forced":
        return None
    marked = "<think>" in sides.answer or "</think>" in sides.answer
    if marked and training.thinking is not True and sides.forced == EMPTY_THOUGHT:
        return (
            (
                f"the trained answer {_short(sides.answer)} holds a mark of a thought, so training put no"
                " empty thought before it, as before all other answers; the server cannot know what answer is"
                " to come"
            ),
            f"take the mark out of the answer, or {RESPELL}",
        )
    sentence = (
        f"the server writes the answer's beginning itself, {_short(sides.forced)}, and the trained answer"
        f" begins with {_short(sides.answer)}: a state that the model never saw"
    )
    if sides.forced == EMPTY_THOUGHT:
        return (
            f"{sentence}; the empty thought is for a model trained without thinking",
            f"{PAIRED}; where the template has the switch, send enable_thinking: true",
        )
    if sides.forced == THOUGHT_OPENS:
        sentence += "; the newer official DeepSeek-R1 template does so"
    return sentence, PAIRED


def _one_token_here_only(_difference: Difference, _training: Training, sides: PromptDiff) -> Sentence | None:
    if sides.one_token is None:
        return None
    token, trained = sides.one_token
    here, there = ("training", "serving") if trained else ("serving", "training")
    return (
        f"{token!r} is one token in {here} and plain text in {there}: the two tokenizers differ",
        (
            "set template.name to one of the base model's own family: another's makes the trainer add tokens"
            " that the base does not have; and serve the tokenizer that was exported"
        ),
    )


def _unreachable(difference: Difference, _training: Training, sides: PromptDiff) -> Sentence | None:
    same = difference.kind == "differs" and is_unreachable(difference, (sides.ours, sides.theirs))
    if not same:
        return None
    sentence = (
        "unreachable: the trainer joined pieces that the tokenizer, given all at once, encodes otherwise"
        " (the same text, other ids); no chat template can be equal here"
    )
    return sentence, (
        f"{NO_NEWLINE}; where none does, this tokenizer and this training template do not go together"
    )


def _another_family(_difference: Difference, _training: Training, sides: PromptDiff) -> Sentence | None:
    ours, theirs = sides.families
    if ours == theirs or not ours or not theirs:
        return None
    return (
        f"the wrong family: training wrote {ours} marks, the server writes {theirs}",
        f"set template.name to the template of the base model's family; or {PAIRED}",
    )


def _thoughts_in_history(_difference: Difference, training: Training, sides: PromptDiff) -> Sentence | None:
    trained, served = sides.trained.startswith("<think>"), sides.served.startswith("<think>")
    if trained == served or sides.trained == EMPTY_THOUGHT:
        return None
    if trained and sides.trained.startswith(EMPTY_THOUGHT):
        return (
            (
                "training put an empty thought before each earlier answer that had none (mask_history:"
                " false), and the server does not"
            ),
            f"{PAIRED}; or train with template.history: strip",
        )
    if trained and not _REGULAR.match(sides.trained):
        return _SPELLED
    if trained:
        return (
            "the server removes an earlier answer's thought, which training kept (mask_history: false)",
            f"{PAIRED}; or train with template.history: strip",
        )
    reason = "training removed (mask_history: true)" if training.mask_history else "was not trained"
    return f"the server keeps a thought that {reason}", f"{PAIRED}; or train with template.history: keep"


def _thought_lost(_difference: Difference, _training: Training, sides: PromptDiff) -> Sentence | None:
    _, mark, opened = sides.before.rpartition("<think>")
    trained, served = ((opened + side).startswith("\n\n</think>") for side in (sides.trained, sides.served))
    if not mark or trained or not served:
        return None
    return (
        (
            "the server writes an empty thought where an earlier answer was trained with its own: the chat"
            " template does not read the thought that was sent (a reasoning field)"
        ),
        PAIRED,
    )


def _thought_spelled(_difference: Difference, _training: Training, sides: PromptDiff) -> Sentence | None:
    if sides.before.endswith("<think>") and not sides.trained.startswith("\n"):
        return _SPELLED
    if not sides.trained.lstrip("\n").startswith("</think>") or not sides.served.startswith("\n"):
        return None
    sentence = (
        "the trained prompt has an empty thought here, and the server opens another one:"
        f" {_short(sides.trained)} against {_short(sides.served)}"
    )
    return sentence, PAIRED


def _newlines_of_an_answer(_difference: Difference, training: Training, sides: PromptDiff) -> Sentence | None:
    white = sides.white
    if not white or not training.reasons or not white.opens_answer:
        return None
    if white.added and white.extra == "\n\n":
        return (
            (
                "the server leaves the newlines that follow </think> before an earlier answer; training"
                " removed them with the thought"
            ),
            PAIRED,
        )
    if not white.added and "\n" in white.extra:
        return (
            (
                "an earlier answer was trained with newlines in front, which the server cannot tell from"
                " what a reasoning parser leaves"
            ),
            NO_NEWLINE,
        )
    return None


def _white_space(_difference: Difference, _training: Training, sides: PromptDiff) -> Sentence | None:
    white = sides.white
    if not white:
        return None
    cause = "the chat template was edited"
    if not white.added and white.edges_content:
        cause = "the chat template trims the messages (`| trim`), or was edited"
    return (
        (
            f"the served prompt has {white.said} after"
            f" {white.word[-SHOWN // 3 :]!r}: trained {white.trained!r}, served {white.served!r}; {cause}"
        ),
        PAIRED,
    )


def _system_prompt(_difference: Difference, _training: Training, sides: PromptDiff) -> Sentence | None:
    trained, served = sides.systems
    if trained == served:
        return None
    if "Today Date:" in (served or "") and "Today Date:" not in (trained or ""):
        return (
            (
                f"the server's chat template writes a date into the system prompt, {_short(served or '')},"
                " which was not trained, and which may be another one every day"
            ),
            PAIRED,
        )
    if trained is None or served is None:
        side, text = ("served", served) if trained is None else ("trained", trained)
        return (
            (
                f"only the {side} prompt begins with a system prompt, {_short(text or '')}: a default system"
                " prompt"
            ),
            f"{PAIRED}; or bring a system prompt in every conversation, in the data and from clients",
        )
    if trained.rstrip(".") == served.rstrip("."):
        which = "trained" if trained.endswith(".") else "served"
        sentence = f"the default system prompts differ in a full stop: only the {which} one has it"
        return f"{sentence}, {_short(trained[-SHOWN:])} against {_short(served[-SHOWN:])}", PAIRED
    return (
        f"the system prompts differ: trained {_short(trained)}, served {_short(served)}",
        f"{PAIRED}; it has the trainer's default system prompt where a conversation brings none",
    )


def _anything(_difference: Difference, _training: Training, sides: PromptDiff) -> Sentence | None:
    return f"trained on {_short(sides.trained)} where the server sends {_short(sides.served)}", PAIRED


_REGULAR = re.compile(r"<think>\n.*?\n</think>\n\n", re.DOTALL)
_SPELLED = (
    (
        "an earlier answer's thought was trained in another spelling than the trainer knows, so it was"
        " neither removed nor can the server put it back as it was"
    ),
    RESPELL,
)
RULES: tuple[Callable[[Difference, Training, PromptDiff], Sentence | None], ...] = (
    _refused,
    _prefill,
    _another_family,
    _begin_of_sentence,
    _missing,
    _forced,
    _one_token_here_only,
    _unreachable,
    _thoughts_in_history,
    _thought_lost,
    _thought_spelled,
    _newlines_of_an_answer,
    _white_space,
    _system_prompt,
    _anything,
)
