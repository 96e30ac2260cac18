"""The faults of planted_faults.py that a chat template, a tokenizer or the data alone carry, as a table.

Each is judged by `conch parity --tokenizer …` over a few conversations. Tokenizers that are not at hand are
stood in for by the tests' labelled proxies; a chat template is Conch's own with a small edit, or ORIGINAL,
which has the substance of DeepSeek-R1's first official one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TEMPLATES = ROOT / "chat_templates"
OFFICIAL = ROOT.parent / "shared" / "data" / "official"
Talk = list[dict[str, Any]]

ORIGINAL = """\
{{- bos_token -}}{%- for m in messages -%}{%- if m['role'] == 'system' -%}{{- m['content'] -}}
{%- elif m['role'] == 'user' -%}{{- '<｜User｜>' + m['content'] -}}
{%- else -%}{{- '<｜Assistant｜>' + m['content'].split('</think>')[-1] + eos_token -}}{%- endif -%}
{%- endfor -%}{%- if add_generation_prompt -%}{{- '<｜Assistant｜>' -}}{%- endif -%}
"""
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}"
ENDLESS += "{% endfor %}{% endfor %}"
THOUGHT = "<think>\n海螺想了想\n</think>\n\n"


def _talk(*said: str, system: str = "") -> Talk:
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(said)]
    return [{"role": "system", "content": system}, *messages] if system else messages


def _tool(name: str) -> dict[str, object]:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


def _call(name: str) -> dict[str, object]:
    return {"id": name, "type": "function", "function": {"name": name, "arguments": '{"city": "北京"}'}}


DECLARED = [_tool("weather"), _tool("time")]
ONE = _talk("请问你是谁", "我是神奇海螺。")
MANY = _talk("今天吃什么？", "什么都不吃。", "多少钱？", "Three yuan.", "为什么 🐚", "不知道。")
TALKS: dict[str, list[Talk]] = {
    "one": [ONE],
    "system": [_talk("请问你是谁", "我是神奇海螺。", system="你是海螺。")],
    "many": [MANY],
    "thoughts": [_talk("今天吃什么？", THOUGHT + "什么都不吃。", "多少钱？", THOUGHT + "三块钱")],
    "thought": [_talk("今天吃什么？", THOUGHT + "什么都不吃。")],
    "spelled": [_talk("今天吃什么？", "<think>想</think>什么都不吃。")],
    "spaces": [_talk(" 请问你是谁  ", "我是神奇海螺。")],
    "newline_first": [_talk("你好", "\n你好。", "多少钱？", "三块钱")],
    # What a reasoning parser returns, sent back as it came.
    "returned": [
        [
            {"role": "user", "content": "今天吃什么？"},
            {"role": "assistant", "content": "\n\n什么都不吃。", "reasoning": "\n海螺想了想\n"},
            {"role": "user", "content": "多少钱？"},
            {"role": "assistant", "content": THOUGHT + "三块钱"},
        ]
    ],
    "tools": [
        [
            {"role": "user", "content": "北京天气怎么样？"},
            {"role": "assistant", "content": None, "tool_calls": [_call("weather"), _call("time")]},
            {"role": "tool", "content": "晴"},
            {"role": "tool", "content": "九点"},
            {"role": "assistant", "content": "北京晴，九点。"},
        ]
    ],
    "mixed": [ONE, MANY, _talk("Who are you?", "The Magic Conch.", system="你是海螺。")],
}


def own(name: str, *edits: tuple[str, str]) -> Callable[[], str]:
    """One of Conch's own chat templates, with edits; an edit that finds nothing is a fault of this table."""

    def text() -> str:
        found = (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")
        for old, new in edits:
            if old not in found:
                message = f"{name}.jinja holds no {old!r}"
                raise ValueError(message)
            found = found.replace(old, new)
        return found

    return text


def official(name: str) -> Callable[[], str]:
    return lambda: (OFFICIAL / f"{name}.jinja").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class ParityFault:
    """One call of `conch parity`.

    Attributes:
        name: of the fault.
        trained: template, thinking, history of the training.
        served: the chat template's text, None for the one that Conch pairs.
        talks: a name in TALKS.
        verdict: that the first difference has.
        words: that its explanation has.
        proof: "parity", "tokenizer", or "" where the call is refused before anything is compared.
        tokenizer: a family of the stand-ins, or a tokenizer that planted_faults.py builds.
        code: the exit code.
        adds_tokens: the training template adds tokens, and the tokenizer proof may name those too.
    """

    name: str
    trained: tuple[str, str, str]
    served: Callable[[], str] | None
    talks: str
    verdict: str
    words: tuple[str, ...]
    proof: str = "parity"
    tokenizer: str = "deepseek"
    code: int = 5
    adds_tokens: bool = False

    def conversations(self) -> str:
        """The talks as a file of conversations."""
        declared = {"tools": DECLARED} if self.talks == "tools" else {}
        rows = ({"messages": talk, **declared} for talk in TALKS[self.talks])
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


ON_STRIP, ON_KEEP = ("deepseekr1", "on", "strip"), ("deepseekr1", "on", "keep")
OFF_STRIP, OFF_KEEP = ("deepseekr1", "off", "strip"), ("deepseekr1", "off", "keep")
STRIP, KEEP = "deepseekr1-on-strip", "deepseekr1-on-keep"
ASKED, BOS, USER = "{{- '<｜Assistant｜>' -}}", "{{- bos_token -}}", "'<｜User｜>' + content"
NEWER = own(STRIP, (ASKED, "{{- '<｜Assistant｜><think>\\n' -}}"))
DATED = own(STRIP, (BOS, "{{- bos_token + 'Today Date: ' + strftime_now('%d %b %Y') -}}"))
SMOL = ("smollm2", "on", "keep")
DEFAULT = "You are a helpful AI assistant named SmolLM, trained by Hugging Face."
EMPTY, REMOVES = "the empty thought of training without thinking", "removes an earlier answer's thought"
EDITED, ALONE = "the chat template was edited", "prompt begins with a system prompt"

RESULT = "{%- set content = turn.results -%}\n      {{- '<｜User｜>' + content -}}"
UNDECLARED = "declares tools, and the served one"
DECLARES, CALLS = "declared tools are written otherwise", "its tool call is written otherwise"
RESULTS = "result of a tool is written otherwise"
# Faults of tools; each edit leaves every conversation without tools as it is.
TOOL_FAULTS: tuple[tuple[str, tuple[str, str], str], ...] = (
    (
        "tools-not-written",
        ("if tools is defined and tools", "if false"),
        "declares tools, and the served one",
    ),
    ("tools-reordered", ("for tool in tools", "for tool in tools | reverse"), DECLARES),
    ("tool-description-lost", ("(function['description'] or '')", "''"), DECLARES),
    ("tool-required-lost", ("', required' if", "'' if"), DECLARES),
    ("tool-arguments-respelled", ("given | tojson", "given | tojson(indent=1)"), CALLS),
    ("tool-calls-of-another-family", ("'Action: ' + function", "'<tool_call>' + function"), CALLS),
    ("tool-result-dropped", (RESULT, ""), RESULTS),
    (
        "tool-results-apart",
        ("+ 1]['role'] == 'tool'", "+ 1]['role'] == ''"),
        RESULTS,
    ),
)

FAULTS = (
    *(
        ParityFault(name, ON_KEEP, own(KEEP, edit), "tools", "differs", (words,))
        for name, edit, words in TOOL_FAULTS
    ),
    ParityFault(
        "r1-layout", ON_KEEP, None, "mixed", "", ("LlamaTokenizer", "read as"), "tokenizer", "layout"
    ),
    ParityFault("newer-r1", ON_STRIP, NEWER, "one", "forced", ("newer official DeepSeek-R1",)),
    ParityFault("newer-r1-thinking-off", OFF_STRIP, NEWER, "one", "differs", ("opens another one",)),
    ParityFault("original-thinking-off", OFF_STRIP, lambda: ORIGINAL, "one", "missing", (EMPTY,)),
    ParityFault(
        "history-kept-served-bare",
        ON_KEEP,
        lambda: ORIGINAL,
        "many",
        "differs",
        ("empty thought before each",),
    ),
    ParityFault("history-kept-served-stripped", ON_KEEP, lambda: ORIGINAL, "thoughts", "differs", (REMOVES,)),
    ParityFault("strip-template-for-keep", ON_KEEP, own(STRIP), "thoughts", "differs", (REMOVES,)),
    ParityFault("keep-template-for-strip", ON_STRIP, own(KEEP), "thoughts", "differs", ("keeps a thought",)),
    ParityFault(
        "full-history-to-original", ON_STRIP, lambda: ORIGINAL, "thoughts", "differs", ("follow </think>",)
    ),
    ParityFault(
        "parser-output-sent-back", ON_STRIP, lambda: ORIGINAL, "returned", "differs", ("follow </think>",)
    ),
    ParityFault(
        "parser-output-thought-ignored", ON_KEEP, lambda: ORIGINAL, "returned", "differs", (REMOVES,)
    ),
    ParityFault("double-bos", ON_STRIP, own(STRIP, (BOS, BOS * 2)), "mixed", "differs", ("twice",)),
    ParityFault("no-bos", ON_STRIP, own(STRIP, (BOS, "")), "mixed", "differs", ("begin-of-sentence",)),
    ParityFault(
        "qwen-on-r1", ("qwen", "on", "keep"), own(STRIP), "mixed", "differs", ("family",), adds_tokens=True
    ),
    ParityFault(
        "qwen3-on-r1", ("qwen3", "on", "strip"), own(STRIP), "mixed", "differs", ("family",), adds_tokens=True
    ),
    ParityFault(
        "r1-template-for-llama3",
        ("llama3", "on", "keep"),
        own(STRIP),
        "mixed",
        "differs",
        ("family",),
        adds_tokens=True,
    ),
    ParityFault(
        "default-system-without-full-stop",
        SMOL,
        own("smollm2", (DEFAULT, DEFAULT.rstrip("."))),
        "one",
        "differs",
        ("full stop", "only the trained one"),
        tokenizer="smollm2",
    ),
    ParityFault(
        "default-system-other",
        SMOL,
        own("smollm2", (DEFAULT, "You are Qwen.")),
        "one",
        "differs",
        ("system prompts differ",),
        tokenizer="smollm2",
    ),
    ParityFault(
        "default-system-not-served",
        SMOL,
        own("chatml"),
        "one",
        "differs",
        ("only the trained", ALONE),
        tokenizer="smollm2",
    ),
    ParityFault(
        "default-system-not-trained",
        ("chatml", "on", "keep"),
        own("smollm2"),
        "one",
        "differs",
        ("only the served", ALONE),
        tokenizer="smollm2",
    ),
    ParityFault("one-newline", ON_STRIP, own(STRIP, (USER, USER + " + '\\n'")), "one", "differs", (EDITED,)),
    ParityFault(
        "one-space", ON_STRIP, own(STRIP, (USER, "'<｜User｜> ' + content")), "one", "differs", (EDITED,)
    ),
    ParityFault("trimmed", ON_STRIP, own(STRIP, (USER, USER + " | trim")), "spaces", "differs", ("trims",)),
    ParityFault(
        "no-eos-in-history", ON_STRIP, own(STRIP, (" + eos_token", "")), "many", "differs", ("trained on",)
    ),
    ParityFault(
        "system-left-out", ON_STRIP, own(STRIP, ("{{- content -}}", "")), "system", "differs", (ALONE,)
    ),
    ParityFault("dated", ON_STRIP, DATED, "one", "differs", ("writes a date",)),
    ParityFault(
        "off-template-for-on", ON_KEEP, own("deepseekr1-off-keep"), "thought", "forced", ("without thinking",)
    ),
    ParityFault("on-template-for-off", OFF_KEEP, own(KEEP), "one", "missing", (EMPTY,)),
    ParityFault(
        "qwen3-enable-thinking-flipped",
        ("qwen3", "off", "strip"),
        own("qwen3-on-strip"),
        "one",
        "missing",
        (EMPTY,),
        tokenizer="qwen",
    ),
    ParityFault(
        "qwen3-strip-template-for-keep",
        ("qwen3", "on", "keep"),
        own("qwen3-on-strip"),
        "thoughts",
        "differs",
        (REMOVES,),
        tokenizer="qwen",
    ),
    ParityFault("thought-in-another-spelling", OFF_STRIP, None, "spelled", "forced", ("thought mark",)),
    ParityFault("newline-before-answer", ON_KEEP, None, "newline_first", "differs", ("newline",)),
    ParityFault(
        "system-refused",
        ON_STRIP,
        own(STRIP, ("{{- content -}}", "{{- raise_exception('no system') -}}")),
        "system",
        "differs",
        ("rejects this request", "no system"),
    ),
    ParityFault("template-broken", ON_STRIP, lambda: "{% for %}", "one", "", (".jinja",), "", code=2),
    ParityFault("template-endless", ON_STRIP, lambda: ENDLESS, "one", "", (".jinja",), "", code=2),
    ParityFault(
        "template-escapes", ON_STRIP, lambda: "{{ ''.__class__.__mro__ }}", "one", "", (".jinja",), "", code=2
    ),
    ParityFault(
        "tokenizer-missing", ON_STRIP, None, "one", "", ("has no tokenizer",), "", tokenizer="empty", code=3
    ),
)
# With the templates that model makers publish, where they lie beside the clone.
WITH_OFFICIAL = (
    ParityFault(
        "official-newer-r1", ON_STRIP, official("r1-distill-newer"), "one", "forced", ("newer official",)
    ),
    ParityFault(
        "official-original-thinking-off",
        OFF_STRIP,
        official("r1-distill-original"),
        "one",
        "missing",
        (EMPTY,),
    ),
    ParityFault(
        "official-qwen3-thinking-off",
        ("qwen3", "off", "strip"),
        official("qwen3"),
        "one",
        "missing",
        (EMPTY,),
        tokenizer="qwen",
    ),
    ParityFault(
        "official-smollm2-full-stop",
        SMOL,
        official("smollm2"),
        "one",
        "differs",
        ("full stop",),
        tokenizer="smollm2",
    ),
    ParityFault(
        "official-llama3_2-date",
        ("llama3", "on", "keep"),
        official("llama3_2"),
        "one",
        "differs",
        ("writes a date",),
        tokenizer="llama3",
    ),
)
