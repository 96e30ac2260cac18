"""DeepSeek: <｜User｜>…<｜Assistant｜>…; a system prompt stands without marks."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.templates.families.base import Family, Layout

_PLAIN = Layout(
    prefix="bos_token",
    system="content",
    user="'<｜User｜>' + content",
    opens="<｜Assistant｜>",
    closes="eos_token",
)


def _recognise(jinja: str, model_type: str) -> str:
    del model_type  # a distilled model has the type of its base
    if "<｜Assistant｜>" not in jinja:
        return ""
    return "deepseekr1" if "</think>" in jinja else "deepseek3"


FAMILY = Family(
    label="DeepSeek (<｜User｜>)",
    answer_mark="<｜Assistant｜>",
    system_block=r"((?:(?!<｜User｜>).)+)<｜User｜>",
    layouts={
        "deepseekr1": replace(_PLAIN, reasons=True, reasoning_parser="deepseek_r1"),
        "deepseek3": _PLAIN,
    },
    recognise=_recognise,
)
