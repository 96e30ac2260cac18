"""Every way in which a served prompt parts from the trained one has its sentence and its fix."""
# Covers templates/prompt_diff.py

from __future__ import annotations

import re

import pytest

from orchestrator.templates.causes import NO_NEWLINE, PAIRED, RESPELL, explain
from orchestrator.templates.compare import judge_ids
from orchestrator.templates.prompt_diff import Difference, Training, is_unreachable
from orchestrator.templates.writer import EMPTY_THOUGHT
from tests.templates.typed import Typed

BOS, EOS, USER, BOT = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"
THOUGHT = "<think>\n想\n</think>\n\n"
ASK = f"{BOS}{USER}一{BOT}"
R1, QWEN3 = Training("deepseekr1"), Training("qwen3")
OFF, STRIP = Training("deepseekr1", thinking=False), Training("deepseekr1", mask_history=True)


def later(history: str, end: str = "") -> str:
    """A second question after an answer."""
    return f"{ASK}{history}{EOS}{USER}二{BOT}{end}"


def chatml(system: str | None, user: str = "一", end: str = "<|im_start|>assistant\n") -> str:
    block = "" if system is None else f"<|im_start|>system\n{system}<|im_end|>\n"
    return f"{block}<|im_start|>user\n{user}<|im_end|>\n{end}"


def llama3(user: str, system: str | None = None) -> str:
    said = [("system", system)] if system is not None else []
    blocks = [f"<|start_header_id|>{role}<|end_header_id|>\n\n{text}<|eot_id|>" for role, text in said]
    blocks.append(f"<|start_header_id|>user<|end_header_id|>\n\n{user}<|eot_id|>")
    return "<|begin_of_text|>" + "".join(blocks) + "<|start_header_id|>assistant<|end_header_id|>\n\n"


SMOLLM2 = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
QWEN = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
DATE = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
STRIPPED = "or train with template.history: strip"
# What was trained before the answer, the answer, what is served, the training, words, and words of the fix.
CASES: dict[str, tuple[str, str, str, Training, str, str]] = {
    "newer official R1 template, no thought": (
        ASK,
        EMPTY_THOUGHT + "答",
        ASK + "<think>\n",
        R1,
        r"writes the beginning of the answer itself, '<think>\\n', .* newer official DeepSeek-R1 template",
        PAIRED,
    ),
    "newer official R1 template, deepseek3": (
        ASK,
        "答",
        ASK + "<think>\n",
        Training("deepseek3"),
        r"the trained answer begins with '答<",
        PAIRED,
    ),
    "newer official R1 template, thinking off": (
        ASK + EMPTY_THOUGHT,
        "答",
        ASK + "<think>\n",
        OFF,
        r"an empty thought here, and the server opens another one",
        PAIRED,
    ),
    "thinking off, served without the empty thought": (
        ASK + EMPTY_THOUGHT,
        "答",
        ASK,
        OFF,
        r"never learned to write it.*the empty thought of training without thinking",
        "enable_thinking: false; or train with template.thinking: on",
    ),
    "enable_thinking flipped": (
        ASK,
        THOUGHT + "答",
        ASK + EMPTY_THOUGHT,
        R1,
        r"the empty thought is for a model trained without thinking",
        "enable_thinking: true",
    ),
    "thinking off, an answer with a mark": (
        ASK,
        "<think>想</think>答",
        ASK + EMPTY_THOUGHT,
        OFF,
        r"contains a thought mark.*cannot know which answer will follow",
        RESPELL,
    ),
    "history kept, stripped in serving": (
        later(THOUGHT + "答"),
        "答",
        later("答"),
        R1,
        r"removes an earlier answer's thought, which training kept",
        STRIPPED,
    ),
    "history kept, no thought, stripped in serving": (
        later(EMPTY_THOUGHT + "答"),
        "答",
        later("答"),
        R1,
        r"put an empty thought before each earlier answer",
        STRIPPED,
    ),
    "history stripped, kept in serving": (
        later("答"),
        "答",
        later(THOUGHT + "答"),
        STRIP,
        r"keeps a thought that training removed",
        "template.history: keep",
    ),
    "newlines left after </think>": (
        later("答"),
        "答",
        later("\n\n答"),
        STRIP,
        r"leaves the newlines that follow </think>",
        PAIRED,
    ),
    "newlines left after </think>, in one token with the header's": (
        chatml(None, end="<|im_start|>assistant\n答<|im_end|>\n" + chatml(None)),
        "答",
        chatml(None, end="<|im_start|>assistant\n\n\n答<|im_end|>\n" + chatml(None)),
        Training("qwen3", mask_history=True),
        r"leaves the newlines that follow </think>",
        PAIRED,
    ),
    "a thought in another spelling, dropped": (
        later("<think>想</think>答"),
        "答",
        later("答"),
        STRIP,
        r"trained in a spelling that the trainer does not recognise",
        RESPELL,
    ),
    "a thought in another spelling, put back": (
        later("<think>想</think>答"),
        "答",
        later(THOUGHT + "答"),
        R1,
        r"trained in a spelling that the trainer does not recognise",
        RESPELL,
    ),
    "an answer that begins with a newline": (
        later(EMPTY_THOUGHT + "\n\n答"),
        "答",
        later(EMPTY_THOUGHT + "答"),
        R1,
        r"trained with leading newlines",
        NO_NEWLINE,
    ),
    "SmolLM2's full stop": (
        chatml(SMOLLM2 + "."),
        "答",
        chatml(SMOLLM2),
        Training("smollm2"),
        r"differ in a full stop: only the trained one has it",
        PAIRED,
    ),
    "default system prompt trained only": (
        chatml(QWEN),
        "答",
        chatml(None),
        Training("qwen"),
        r"only the trained prompt begins with a system prompt, 'You are Qwen.*default system prompt",
        "include a system prompt in every conversation",
    ),
    "default system prompt served only": (
        chatml(None),
        "答",
        chatml(QWEN),
        Training("chatml"),
        r"only the served prompt begins with a system prompt, 'You are Qwen",
        PAIRED,
    ),
    "default system prompt of an R1 template": (
        ASK,
        "答",
        f"{BOS}You think.{USER}一{BOT}",
        R1,
        r"only the served prompt begins with a system prompt, 'You think\.'",
        PAIRED,
    ),
    "a word in an earlier question": (
        later(EMPTY_THOUGHT + "答"),
        "答",
        later(EMPTY_THOUGHT + "答").replace("二", "三"),
        R1,
        r"trained on '二<｜Assistant｜>'",
        PAIRED,
    ),
    "an empty system prompt": (
        chatml(QWEN),
        "答",
        chatml(""),
        Training("qwen"),
        r"system prompts differ: trained 'You are Qwen.*served ''",
        "default system prompt for conversations without one",
    ),
    "a date, no system prompt": (
        llama3("一"),
        "答",
        llama3("一", DATE),
        Training("llama3"),
        r"writes a date into the system prompt, 'Cutting Knowledge Date",
        PAIRED,
    ),
    "a date before a system prompt": (
        llama3("一", "海螺"),
        "答",
        llama3("一", DATE + "海螺"),
        Training("llama3"),
        r"writes a date into the system prompt",
        PAIRED,
    ),
    "wrong family": (
        chatml(QWEN),
        "答",
        ASK,
        Training("qwen"),
        r"wrong template family: training wrote marks of ChatML .* the server writes marks of DeepSeek",
        "set template.name",
    ),
    "wrong family, a user typed the other's marks": (
        chatml(None, user=USER + BOT),
        "答",
        llama3(USER + BOT),
        Training("chatml"),
        r"training wrote marks of ChatML .* the server writes marks of Llama 3",
        "set template.name",
    ),
    "double begin of sentence": (
        ASK,
        "答",
        BOS + ASK,
        R1,
        r"begin-of-sentence token twice",
        "special_tokens",
    ),
    "no begin of sentence": (
        ASK,
        "答",
        ASK.removeprefix(BOS),
        R1,
        r"the trained prompt begins with the begin-of-sentence token, the served one does not",
        PAIRED,
    ),
    "begin of sentence served only": (
        ASK.removeprefix(BOS),
        "答",
        ASK,
        R1,
        r"the served prompt begins with the begin-of-sentence token, the trained one does not",
        PAIRED,
    ),
    "one newline less, at the end": (
        chatml(None),
        "答",
        chatml(None).removesuffix("\n"),
        QWEN3,
        r"the trained prompt continues with '\\n', without loss",
        PAIRED,
    ),
    "one newline more, at the end": (
        chatml(None),
        "答",
        chatml(None) + "\n",
        QWEN3,
        r"one newline more after '.*assistant': trained '\\n', served '\\n\\n'",
        PAIRED,
    ),
    "one space more": (
        ASK,
        "答",
        ASK + " ",
        R1,
        r"writes the beginning of the answer itself, ' '",
        PAIRED,
    ),
    "one space more, within": (
        ASK,
        "答",
        ASK.replace(USER, USER + " "),
        R1,
        r"one space more after '.*<｜User｜>': trained '', served ' '; the chat template was edited$",
        PAIRED,
    ),
    "a newline in a space's place": (
        ASK.replace("一", "一 b"),
        "答",
        ASK.replace("一", "一\nb"),
        R1,
        r"different white space after '.*一': trained ' ', served '\\n'",
        PAIRED,
    ),
    "trimmed content": (
        llama3("  一\n"),
        "答",
        llama3("一"),
        Training("llama3"),
        r"2 spaces less after .*: trained '\\n\\n  ', served '\\n\\n'; the chat template trims",
        PAIRED,
    ),
    "trimmed at the end of a message": (
        llama3("一\n"),
        "答",
        llama3("一"),
        Training("llama3"),
        r"one newline less after '.*一': trained '\\n', served ''; the chat template trims",
        PAIRED,
    ),
    "a thought in a field that the template does not read": (
        later(THOUGHT + "答"),
        "又",
        later(EMPTY_THOUGHT + "答"),
        R1,
        r"an empty thought where an earlier answer was trained with its own",
        PAIRED,
    ),
    "anything else": (
        ASK,
        "答",
        ASK.replace("一", "二"),
        R1,
        r"trained on '一<｜Assistant｜>' where the server sends '二<｜Assistant｜>'",
        PAIRED,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_cause_has_its_sentence_and_its_fix(case: tuple[str, str, str, Training, str, str]) -> None:
    context, answer, served, training, words, hint = case
    typed = Typed()
    ids = typed.ids(context), typed.ids(answer + EOS), typed.ids(served)
    kind, position = judge_ids(*ids)
    difference = Difference(kind.value, position, *ids)
    first = next(token for token in (BOS, "<|begin_of_text|>", "<|im_start|>") if token in typed.tokens)
    bos = typed.tokens[first] if training.template in {"deepseekr1", "llama3", "smollm2"} else None
    knows = Training(training.template, training.thinking, training.mask_history, bos)
    sentence, set_this = explain(difference, knows, (typed.pieces, typed.pieces))
    assert re.search(words, sentence, re.DOTALL), sentence
    assert hint in set_this, set_this
    for text in (sentence, set_this):
        assert set("的是把不在用到") & set(text.zh), text.zh


def told(typed: Typed, context: list[int], served: list[int]) -> tuple[bool, str]:
    kind, position = judge_ids(context, [0], served)
    difference, pieces = Difference(kind.value, position, context, [0], served), (typed.pieces, typed.pieces)
    return is_unreachable(difference, pieces), explain(difference, R1, pieces)[0]


def test_the_same_text_in_other_ids_is_unreachable() -> None:
    typed = Typed()
    trained = typed.joined(ASK + EMPTY_THOUGHT, "\n答", later(""))
    served = typed.ids(ASK + EMPTY_THOUGHT + "\n答" + later(""))
    unreachable, sentence = told(typed, trained, served)
    assert unreachable
    assert sentence.startswith("unreachable")


@pytest.mark.parametrize(
    ("ours", "words"), [(True, "training and plain text in serving"), (False, "in training")]
)
def test_a_token_on_one_side_only_is_another_tokenizer(*, ours: bool, words: str) -> None:
    typed = Typed()
    whole, apart = typed.ids("<|im_end|>"), typed.joined(*"<|im_end|>")
    sides = (whole, apart) if ours else (apart, whole)
    unreachable, sentence = told(typed, *(typed.ids("a") + side + typed.ids("b") for side in sides))
    assert not unreachable
    assert words in sentence
    assert "'<|im_end|>' is one token in" in sentence
