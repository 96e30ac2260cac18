"""ChatML: <|im_start|>role … <|im_end|>, used by Qwen and SmolLM2."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.templates.families.base import Family, Layout
from orchestrator.templates.tool_formats import QWEN

_PLAIN = Layout(
    system=r"'<|im_start|>system\n' + content + '<|im_end|>\n'",
    user=r"'<|im_start|>user\n' + content + '<|im_end|>\n'",
    opens="<|im_start|>assistant\n",
    closes=r"'<|im_end|>\n'",
)
_QWEN = replace(
    _PLAIN,
    result=r"'<|im_start|>user\n<tool_response>\n' + content + '\n</tool_response><|im_end|>\n'",
    tools=QWEN,
)


def _recognise(jinja: str, model_type: str) -> str:
    if "<|im_start|>" not in jinja:
        return ""
    if model_type.startswith("qwen3"):
        return "qwen3" if "</think>" in jinja else "qwen3_nothink"
    if model_type.startswith("qwen2"):
        return "qwen"
    return "smollm2" if "SmolLM" in jinja else "chatml"


FAMILY = Family(
    label="ChatML (<|im_start|>; Qwen, SmolLM2)",
    answer_mark="<|im_start|>assistant",
    system_block=r"<\|im_start\|>system\n(.*?)<\|im_end\|>",
    layouts={
        "qwen": replace(
            _QWEN, default_system="You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
        ),
        "qwen3": replace(_QWEN, reasons=True, reasoning_parser="qwen3"),
        "qwen3_nothink": _QWEN,
        "chatml": replace(_PLAIN, result=r"'<|im_start|>tool\n' + content + '<|im_end|>\n'"),
        "smollm2": replace(
            _PLAIN,
            default_system="You are a helpful AI assistant named SmolLM, trained by Hugging Face.",
        ),
    },
    recognise=_recognise,
)
