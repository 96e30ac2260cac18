"""What a template family states about itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.templates.tool_formats import DEFAULT, ToolFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The text around the messages, as in LLaMA-Factory's register_template().

    Attributes:
        prefix: jinja expression that opens a conversation.
        system, user: jinja expression of a whole message; `content` is the text of the message.
        result: jinja expression of what a tool returned, like `user`; `user` itself if it is "".
        tools: how declarations and calls are written.
        opens: the text before an answer. closes: jinja expression of what follows it.
        default_system: the system prompt of conversations without one.
        reasons: whether it is a ReasoningTemplate, so that thinking and history change its tokens.
        reasoning_parser: vLLM's parser for it; "none" for a template without thoughts, because a parser would
            treat the whole answer as a thought.
    """

    prefix: str = "''"
    system: str
    user: str
    opens: str
    closes: str
    result: str = ""
    tools: ToolFormat = DEFAULT
    default_system: str = ""
    reasons: bool = False
    reasoning_parser: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Training templates that share one set of marks.

    Attributes:
        label: how a report names the marks.
        answer_mark: the last mark before an answer; shows which family wrote a prompt.
        system_block: regular expression of the system prompt at the start of a conversation, as group 1.
        layouts: LLaMA-Factory template → its layout.
        recognise: (jinja, model_type of config.json) → the training template of a model's own chat template,
            "" if it is none of this family.
    """

    label: str
    answer_mark: str
    system_block: str
    layouts: Mapping[str, Layout]
    recognise: Callable[[str, str], str]
