"""Llama 3: <|start_header_id|>role<|end_header_id|> … <|eot_id|>."""

from __future__ import annotations

from orchestrator.templates.families.base import Family, Layout
from orchestrator.templates.tool_formats import LLAMA3


def _recognise(jinja: str, model_type: str) -> str:
    del model_type
    return "llama3" if "<|start_header_id|>" in jinja and "<|eot_id|>" in jinja else ""


FAMILY = Family(
    label="Llama 3 (<|start_header_id|>)",
    answer_mark="<|start_header_id|>assistant",
    system_block=r"<\|start_header_id\|>system<\|end_header_id\|>\n\n(.*?)<\|eot_id\|>",
    layouts={
        "llama3": Layout(
            prefix="bos_token",
            system=r"'<|start_header_id|>system<|end_header_id|>\n\n' + content + '<|eot_id|>'",
            user=r"'<|start_header_id|>user<|end_header_id|>\n\n' + content + '<|eot_id|>'",
            result=r"'<|start_header_id|>ipython<|end_header_id|>\n\n' + content + '<|eot_id|>'",
            tools=LLAMA3,
            opens="<|start_header_id|>assistant<|end_header_id|>\n\n",
            closes="'<|eot_id|>'",
        )
    },
    recognise=_recognise,
)
