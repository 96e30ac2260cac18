"""The end of vLLM's road from a chat request to ids, without its beginning: compiled template, tokenizer.

What is left out parses the request and picks the template (renderers/hf.py safe_apply_chat_template); what
is done is transformers' own `_compile_jinja_template`, a render with the tokenizer's special tokens as
`apply_chat_template` gives them, and the tokenizer over many texts at a time. Only messages of plain text,
with or without a `reasoning` field, and complete tools with their calls and results are done here:
serving_ids.py sends all others the whole road, and checks this one against it.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from spellings import Message
from tokens import refuse

if TYPE_CHECKING:
    from jinja2 import Template
    from transformers import PreTrainedTokenizerBase

_FIELDS = {"role", "content", "reasoning", "tool_calls", "tool_call_id"}


@dataclass
class QuickRender:
    """One template and one tokenizer."""

    template: Template
    tokenizer: PreTrainedTokenizerBase
    variables: Message
    seconds: float

    @classmethod
    def of(
        cls, tokenizer: PreTrainedTokenizerBase, template: str | None, kwargs: Message | None, seconds: float
    ) -> QuickRender | None:
        """None where the template is not known as one text: then vLLM must choose."""
        from transformers.utils.chat_template_utils import _compile_jinja_template

        text = template if template is not None else tokenizer.chat_template
        if not isinstance(text, str):
            return None
        signal.signal(signal.SIGALRM, _too_long)
        variables = {**tokenizer.special_tokens_map, **(kwargs or {})}
        return cls(_compile_jinja_template(text), tokenizer, variables, seconds)

    def render(
        self, requests: Sequence[tuple[Sequence[Message], Message | None, Sequence[Message]]]
    ) -> list[tuple[list[int], str] | None]:
        """(ids, "") or ([], why the template refuses it) of each request; None of one that is not plain."""
        texts = [self._text(messages, kwargs, tools) for messages, kwargs, tools in requests]
        rendered = [text for text in texts if isinstance(text, str)]
        ids = iter(self.tokenizer(rendered, add_special_tokens=False)["input_ids"] if rendered else ())
        results: list[tuple[list[int], str] | None] = []
        for text in texts:
            if isinstance(text, Exception):
                results.append(([], str(text) or "refused"))
            else:
                results.append(None if text is None else (next(ids), ""))
        return results

    def _text(
        self, messages: Sequence[Message], kwargs: Message | None, tools: Sequence[Message]
    ) -> str | Exception | None:
        if not all(isinstance(one["content"], str) and one.keys() <= _FIELDS for one in messages):
            return None
        # vLLM gives the template a thought under both of its names (renderers/chat_utils.py).
        told = [
            one | {"reasoning_content": one["reasoning"]} if "reasoning" in one else one for one in messages
        ]
        told = [_with_objects(one) if "tool_calls" in one else one for one in told]
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        try:
            text: str = self.template.render(
                messages=told,
                tools=list(tools) or None,
                documents=None,
                add_generation_prompt=True,
                **{**self.variables, **(kwargs or {})},
            )
        except TimeoutError:
            refuse(f"the chat template does not end within {self.seconds} s", hint="fix its loop")
        except Exception as error:  # noqa: BLE001  whatever a template can raise: the whole road tells it
            return error
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return text


def _with_objects(message: Message) -> Message:
    """Calls with their arguments as objects, as vLLM gives them to a template (renderers/chat_utils.py)."""
    calls = [
        {**call, "function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}}
        for call in message["tool_calls"]
    ]
    return message | {"tool_calls": calls}


def _too_long(_signum: int, _frame: FrameType | None) -> None:
    raise TimeoutError
