"""A plug-in for vLLM (`--tool-parser-plugin`): reads the calls of LLaMA-Factory's default tool format.

    Action: get_weather
    Action Input: {"city": "北京"}

That is what a training writes under templates without a tool format of their own (deepseekr1, deepseek3,
chatml, smollm2; LLaMA-Factory 0.9.5, data/tool_utils.py), and vLLM 0.32 has no parser for it. The arguments
are passed on as the model wrote them. Whatever is no call with a JSON object stays content. A call that is
cut off by the length limit is content in a whole answer; a stream has already sent its beginning.

Runs inside vLLM. Registered as conch_action.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from vllm.entrypoints.generate.base.protocol import (
    DeltaFunctionCall,
    DeltaMessage,
    DeltaToolCall,
    ExtractedToolCallInformation,
    FunctionCall,
    ToolCall,
)
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.renderers.chat_utils import make_tool_call_id
from vllm.tool_parsers.abstract_tool_parser import ToolParser, ToolParserManager

NAME = "conch_action"
_HEAD = re.compile(r"(?:^|(?<=\n))Action: ([^\n]+)\nAction Input: (?=\{)")
# What may still become a head: held back from a streamed content.
_BEGUN = re.compile(r"(?:^|(?<=\n))(?:A(?:c(?:t(?:i(?:o(?:n(?::(?: [^\n]*(?:\n[^\n{]*)?)?)?)?)?)?)?)?)\Z")
_decoder = json.JSONDecoder()


class Call(NamedTuple):
    """A call in a text: its start, its name, its arguments as they were written, and whether they end."""

    start: int
    name: str
    arguments: str
    whole: bool


def calls_in(text: str) -> list[Call]:
    """Every call, of which only the last can be unfinished."""
    calls: list[Call] = []
    position = 0
    while head := _HEAD.search(text, position):
        try:
            _, position = _decoder.raw_decode(text, head.end())
        except (ValueError, RecursionError):
            calls.append(Call(head.start(), head[1], text[head.end() :], whole=False))
            break
        calls.append(Call(head.start(), head[1], text[head.end() : position], whole=True))
    return calls


def content_end(text: str, calls: Sequence[Call]) -> int:
    """How much of a text that still grows is content for certain."""
    if calls:
        return calls[0].start
    begun = _BEGUN.search(text)
    return begun.start() if begun else len(text)


class ActionToolParser(ToolParser):  # type: ignore[misc]  # vLLM is not in the checker's environment
    """Calls as `Action: NAME`, and `Action Input: {…}` on the next line."""

    # Of a streamed answer: how much content was sent, and what may be the beginning of a call.
    _sent = 0
    _held = ""

    def extract_tool_calls(
        self, model_output: str, request: ChatCompletionRequest
    ) -> ExtractedToolCallInformation:
        """The calls of a whole answer, and the text before them."""
        del request
        calls = calls_in(model_output)
        if not calls or not all(call.whole for call in calls):
            return ExtractedToolCallInformation(tools_called=False, tool_calls=[], content=model_output)
        return ExtractedToolCallInformation(
            tools_called=True,
            tool_calls=[
                ToolCall(type="function", function=FunctionCall(name=call.name, arguments=call.arguments))
                for call in calls
            ],
            content=model_output[: calls[0].start] or None,
        )

    def extract_tool_calls_streaming(  # noqa: PLR0917  vLLM's signature
        self,
        previous_text: str,
        current_text: str,
        delta_text: str,
        previous_token_ids: Sequence[int],
        current_token_ids: Sequence[int],
        delta_token_ids: Sequence[int],
        request: ChatCompletionRequest,
    ) -> DeltaMessage | None:
        """What this piece adds: content before the calls, a call's name, or more of its arguments."""
        del previous_text, delta_text, previous_token_ids, current_token_ids, delta_token_ids, request
        # So that vLLM calls finish_streaming; from the start, it would take this parser for another kind.
        self.engine_based_streaming = True
        calls = calls_in(current_text)
        end = content_end(current_text, calls)
        content, self._held = current_text[self._sent : end] or None, "" if calls else current_text[end:]
        self._sent = max(self._sent, end)
        deltas: list[DeltaToolCall] = []
        for index, call in enumerate(calls):
            if index == len(self.prev_tool_call_arr):
                self.prev_tool_call_arr.append({"name": call.name, "arguments": ""})
                self.streamed_args_for_tool.append("")
                self.current_tool_id, self.current_tool_name_sent = index, True
                named = DeltaFunctionCall(name=call.name).model_dump(exclude_none=True)
                deltas.append(
                    DeltaToolCall(index=index, type="function", id=make_tool_call_id(), function=named)
                )
            more = call.arguments[len(self.streamed_args_for_tool[index]) :]
            if more:
                self.streamed_args_for_tool[index] = call.arguments
                self.prev_tool_call_arr[index]["arguments"] = call.arguments
                given = DeltaFunctionCall(arguments=more).model_dump(exclude_none=True)
                deltas.append(DeltaToolCall(index=index, function=given))
        return DeltaMessage(content=content, tool_calls=deltas) if content or deltas else None

    def finish_streaming(self) -> DeltaMessage | None:
        """What was held back as the beginning of a call, and became none."""
        held, self._held = self._held, ""
        return DeltaMessage(content=held) if held else None


ToolParserManager.register_module(NAME, module=ActionToolParser)
