r"""Writes the chat template that prompts a served model exactly as LLaMA-Factory trained it.

One writer for every (training template, thinking, history). The rules are those of LLaMA-Factory 0.9.5,
`data/template.py`. For a template that reasons (ReasoningTemplate.encode_multiturn):

    history keep    `mask_history: false`: earlier answers keep their thoughts; an answer without a thought
                    gets an empty one (`<think>\n\n</think>\n\n`)
    history strip   `mask_history: true`: earlier answers have no thought
    thinking on     `enable_thinking: true`: a missing thought is trained, so the server adds nothing
    thinking off    `enable_thinking: false`: thoughts are removed; the prompt ends with the empty thought
    thinking mixed  `enable_thinking: null`: answers with and without thoughts; the prompt ends with the empty
                    thought if the request has `enable_thinking: false`

A plain template (Template.encode_multiturn) neither adds nor removes thoughts, and history only selects the
trained turns, so one chat template (`any`, `any`) reproduces all six settings. A layout's default system
prompt applies to conversations with no system prompt or an empty one.

Clients send an earlier answer back in different ways: the answer alone, with the blank line that a reasoning
parser leaves before it, with its thought, or with the thought in a `reasoning` field. A plain template takes
an answer as it is.

Covers text and tools (tool_formats.py); media are rejected with a message, because the model was not
trained on them. `replace` with a count, which llama.cpp's engine for these templates lacks, is not used.
"""

from __future__ import annotations

from typing import Literal

from orchestrator.errors import Problem, UsageError
from orchestrator.templates.families import layout_of

Thinking = Literal["on", "off", "mixed", "any"]
History = Literal["keep", "strip", "any"]
THINKING: tuple[Thinking, ...] = ("on", "off", "mixed")
HISTORY: tuple[History, ...] = ("keep", "strip")
ANY: Literal["any"] = "any"

THOUGHT_OPENS, THOUGHT_CLOSES = "<think>\n", "\n</think>\n\n"
EMPTY_THOUGHT = THOUGHT_OPENS + THOUGHT_CLOSES


_OPENING = """\
{{#- Written by Conch (orchestrator/templates/writer.py): LLaMA-Factory template {training}, \
thinking {thinking}, history {history}. -#}}
{{%- set opening = '<think>\\n' -%}}
{{%- set closing = '\\n</think>\\n\\n' -%}}
{{%- set turn = namespace(index=0, system='', names='', text='', rest='', results='') -%}}
{{{{- {prefix} -}}}}
{{%- if messages and messages[0]['role'] == 'system' and messages[0]['content'] is string -%}}
  {{%- set turn.system = messages[0]['content'] -%}}
{{%- endif -%}}
{default}{{%- if tools is defined and tools -%}}
{tools}{{%- endif -%}}
{{%- if turn.system -%}}
  {{%- set content = turn.system -%}}
  {{{{- {system} -}}}}
{{%- endif -%}}
{{%- for message in messages -%}}
  {{%- set content = message['content'] if message['content'] is string else '' -%}}
  {{%- if message['content'] is not string and message['content'] -%}}
    {{{{- raise_exception('this model was trained on text alone: send content as a string') -}}}}
  {{%- endif -%}}
  {{%- if message['role'] == 'system' -%}}
    {{%- if not loop.first -%}}
      {{{{- raise_exception('a system message may only come first: that is how this model was trained') -}}}}
    {{%- endif -%}}
  {{%- elif message['role'] == 'user' -%}}
    {{#- the trainer puts the turn's number in place of the first of these marks in a question -#}}
    {{%- set content = content.split('{{{{idx}}}}', 1) | join(turn.index | string) -%}}
    {{{{- {user} -}}}}
    {{%- set turn.index = turn.index + 1 -%}}
  {{%- elif message['role'] == 'tool' -%}}
    {{%- set turn.results = turn.results + content -%}}
    {{%- if not loop.last and messages[loop.index0 + 1]['role'] == 'tool' -%}}
      {{%- set turn.results = turn.results + '\\n</tool_response>\\n<tool_response>\\n' -%}}
    {{%- else -%}}
      {{%- set content = turn.results -%}}
      {{{{- {result} -}}}}
      {{%- set turn.results = '' -%}}
      {{%- set turn.index = turn.index + 1 -%}}
    {{%- endif -%}}
"""

_DEFAULT = """\
{{%- if not turn.system -%}}
  {{%- set turn.system = '{default_system}' -%}}
{{%- endif -%}}
"""

_ANSWER = """\
  {{%- elif message['role'] == 'assistant' -%}}
    {{#- what the answer was when it was generated, whichever way the client sends it back -#}}
    {{%- set thought = message['reasoning'] if message['reasoning'] is string
         else message['reasoning_content'] -%}}
    {{%- set turn.text = content -%}}
    {{%- if thought is string and {given}not content.lstrip('\\n').startswith('<think>') -%}}
      {{%- set thought = thought[1:] if thought.startswith('\\n') else thought -%}}
      {{%- set thought = thought[:-1] if thought.endswith('\\n') else thought -%}}
      {{%- set answer = content[2:] if content.startswith('\\n\\n') else content -%}}
      {{%- set turn.text = opening + thought + closing + answer -%}}
{bare}    {{%- endif -%}}
"""

_BARE = """\
    {{%- elif '<think>' not in content and '</think>' not in content -%}}
      {{%- set turn.text = content.lstrip('\\n') -%}}
"""

_REMOVE = """\
    {{%- {condition} -%}}
      {{#- the trainer removes thoughts in this very spelling only, then the newlines in front -#}}
      {{%- set turn.rest = turn.text -%}}
      {{%- set turn.text = '' -%}}
      {{%- for _ in turn.rest.split(opening) -%}}
        {{%- if opening in turn.rest and closing in turn.rest.split(opening, 1)[1] -%}}
          {{%- set turn.text = turn.text + turn.rest.split(opening, 1)[0] -%}}
          {{%- set turn.rest = turn.rest.split(opening, 1)[1].split(closing, 1)[1] -%}}
        {{%- endif -%}}
      {{%- endfor -%}}
      {{%- set turn.text = (turn.text + turn.rest).lstrip('\\n') -%}}
    {{%- endif -%}}
"""

_CALLS = """\
    {{%- if message['tool_calls'] -%}}
      {{%- if turn.text and not turn.text.endswith('\\n') -%}}
        {{%- set turn.text = turn.text + '\\n' -%}}
      {{%- endif -%}}
{calls}    {{%- endif -%}}
"""

_EMPTY = """\
    {{%- if {condition}'<think>' not in turn.text and '</think>' not in turn.text -%}}
      {{%- set turn.text = opening + closing + turn.text -%}}
    {{%- endif -%}}
"""

_CLOSING = """\
    {{{{- {opens} + turn.text + {closes} -}}}}
  {{%- else -%}}
    {{{{- raise_exception('this model was not trained on messages of role ' ~ message['role']) -}}}}
  {{%- endif -%}}
{{%- endfor -%}}
{{%- if add_generation_prompt -%}}
  {{{{- {opens}{prompt} -}}}}
{{%- endif -%}}
"""

_PROMPT: dict[Thinking, str] = {
    "any": "",
    "on": "",
    "off": " + opening + closing",
    "mixed": " + (opening + closing if enable_thinking is defined and enable_thinking is false else '')",
}


def write_jinja(training: str, thinking: Thinking, history: History) -> str:
    r"""The chat template for a model trained with that LLaMA-Factory template and those settings.

    The last message of a conversation, when it is an answer, is written as it was trained, so that a whole
    trained row can be rendered too. An unknown template or setting is a UsageError.

    >>> write_jinja("qwen3", "off", "keep").splitlines()[0].startswith("{#- Written by Conch")
    True
    """
    layout = layout_of(training)
    _must_be("thinking", thinking, (*THINKING, ANY))
    _must_be("history", history, (*HISTORY, ANY))
    thinking, history = settings_of(training, thinking, history)
    parts = [_OPENING, _ANSWER]
    if layout.reasons:
        if thinking == "off":
            parts.append(_REMOVE.replace("{condition}", "if true"))
        elif history == "strip":
            parts.append(_REMOVE.replace("{condition}", "if not loop.last"))
    parts.append(_CALLS)
    if layout.reasons:
        parts.append(_EMPTY.replace("{condition}", "" if history == "keep" else "loop.last and "))
    parts.append(_CLOSING)
    text = "".join(parts)
    # An empty `reasoning` comes from a parser that found no thought: there is none to put back.
    text = text.replace("{given}", "" if layout.reasons else "thought and ")
    text = text.replace("{bare}", _BARE if layout.reasons else "")
    text = text.replace("{default}", _DEFAULT if layout.default_system else "")
    return text.format(
        training=training,
        thinking=thinking,
        history=history,
        prefix=layout.prefix,
        system=layout.system,
        user=layout.user,
        result=layout.result or layout.user,
        tools=layout.tools.declaration,
        calls=layout.tools.calls,
        opens=repr(layout.opens),
        closes=layout.closes,
        default_system=layout.default_system,
        prompt=_PROMPT[thinking],
    )


def settings_of(training: str, thinking: Thinking, history: History) -> tuple[Thinking, History]:
    """(thinking, history) as far as they change the template's tokens; `any`, `any` for a plain template.

    >>> settings_of("qwen3", "on", "keep"), settings_of("qwen", "on", "keep")
    (('on', 'keep'), ('any', 'any'))
    """
    if not layout_of(training).reasons:
        return ANY, ANY
    _must_be("thinking", thinking, THINKING)
    _must_be("history", history, HISTORY)
    return thinking, history


def _must_be(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        listed = ", ".join(allowed)
        raise UsageError(
            Problem(f"{key}: no chat template can be written for {value!r}", hint=f"use one of {listed}")
        )
