r"""How tools are written: LLaMA-Factory 0.9.5's tool formats (data/tool_utils.py) in chat templates.

Each piece works on the template's own `turn`: the declaration appends to `turn.system`, the calls to
`turn.text`. A tool is written with its name, description and parameters, in this order and completed where
one is missing: that is how rows are prepared for training, and whatever else a request holds never reaches
the model. Arguments come as an object (vLLM) or as the client's JSON text.
"""

from __future__ import annotations

from dataclasses import dataclass

# The parser in probes/engines/tool_parser.py.
ACTION = "conch_action"
_FUNCTION = """\
    {%- set function = tool['function'] if tool['function'] is defined else tool -%}
    {%- set parameters = function['parameters'] or {'type': 'object', 'properties': {}} -%}
"""
_WHOLE = """\
    {%- set whole = {'type': 'function', 'function': {'name': function['name'],
         'description': function['description'] or '', 'parameters': parameters}} -%}
"""
_CALL = """\
      {%- for call in message['tool_calls'] -%}
        {%- set function = call['function'] if call['function'] is defined else call -%}
        {%- set given = function['arguments'] or {} -%}
        {%- set given = given if given is string else given | tojson -%}
"""


@dataclass(frozen=True, slots=True)
class ToolFormat:
    """One of LLaMA-Factory's tool formats.

    Attributes:
        declaration: jinja that appends the declared tools to `turn.system`.
        calls: jinja that appends the calls of an answer to `turn.text`.
        parser: vLLM's parser that reads such calls; ACTION is Conch's own.
        dated: whether the declaration names the day, so that every prompt changes with it.
        mark: a text of the declaration, and of no other prompt.
    """

    declaration: str
    calls: str
    parser: str
    mark: str
    dated: bool = False


DEFAULT = ToolFormat(
    declaration="  {%- set turn.system = turn.system + 'You have access to the following tools:\\n' -%}\n"
    "  {%- set turn.names = '' -%}\n"
    "  {%- for tool in tools -%}\n"
    + _FUNCTION
    + """\
    {%- set turn.names = turn.names + (', ' if turn.names else '') + function['name'] -%}
    {%- set turn.system = turn.system + '> Tool Name: ' + function['name'] + '\\nTool Description: '
         + (function['description'] or '') + '\\nTool Args:\\n' -%}
    {%- for name, parameter in (parameters['properties'] or {}) | items -%}
      {%- set turn.system = turn.system ~ '  - ' ~ name ~ ' ('
           ~ (parameter['type'] if 'type' in parameter else '')
           ~ (', required' if 'required' in parameters and name in parameters['required'] else '') ~ '): '
           ~ (parameter['description'] if 'description' in parameter else '') -%}
      {%- if 'enum' in parameter and parameter['enum'] -%}
        {%- set turn.system = turn.system + ', should be one of [' + parameter['enum'] | join(', ') + ']' -%}
      {%- endif -%}
      {%- if 'items' in parameter and parameter['items'] -%}
        {%- set turn.system = turn.system ~ ', where each item should be '
             ~ (parameter['items']['type'] if 'type' in parameter['items'] else '') -%}
      {%- endif -%}
      {%- set turn.system = turn.system + '\\n' -%}
    {%- endfor -%}
    {%- set turn.system = turn.system + '\\n' -%}
  {%- endfor -%}
  {%- set turn.system = turn.system
       + 'Use the following format if using a tool:\\n```\\nAction: tool name (one of ['
       + turn.names + '])\\nAction Input: the input to the tool, in a JSON format representing the kwargs '
       + '(e.g. ```{"input": "hello world", "num_beams": 5}```)\\n```\\n' -%}
""",
    calls=_CALL
    + """\
        {%- set turn.text = turn.text + ('' if loop.first else '\\n') + 'Action: ' + function['name']
             + '\\nAction Input: ' + given -%}
      {%- endfor -%}
""",
    parser=ACTION,
    mark="You have access to the following tools:\n",
)

QWEN = ToolFormat(
    declaration="""\
  {%- set turn.system = turn.system
       + '\\n\\n# Tools\\n\\nYou may call one or more functions to assist with the user '
       + 'query.\\n\\nYou are provided with function signatures within <tools></tools> XML '
       + 'tags:\\n<tools>' -%}
  {%- for tool in tools -%}
"""
    + _FUNCTION
    + _WHOLE
    + """\
    {%- set turn.system = turn.system + '\\n' + whole | tojson -%}
  {%- endfor -%}
  {%- set turn.system = turn.system
       + '\\n</tools>\\n\\nFor each function call, return a json object with function '
       + 'name and arguments within <tool_call></tool_call> XML tags:\\n<tool_call>\\n{"name": '
       + '<function-name>, "arguments": <args-json-object>}\\n</tool_call>' -%}
""",
    calls=_CALL
    + """\
        {%- set turn.text = turn.text + ('' if loop.first else '\\n') + '<tool_call>\\n{"name": '
             + function['name'] | tojson + ', "arguments": ' + given + '}\\n</tool_call>' -%}
      {%- endfor -%}
""",
    parser="hermes",
    mark="\n\n# Tools\n\nYou may call one or more functions",
)

LLAMA3 = ToolFormat(
    declaration="""\
  {%- set today = date_string if date_string is defined else strftime_now('%d %b %Y') -%}
  {%- set turn.system = turn.system + 'Cutting Knowledge Date: December 2023\\nToday Date: '
       + today + '\\n\\n'
       + 'You have access to the following functions. To call a function, please respond with JSON for '
       + 'a function call. Respond in the format {"name": function name, "parameters": dictionary of '
       + 'argument name and its value}. Do not use variables.\\n\\n' -%}
  {%- for tool in tools -%}
"""
    + _FUNCTION
    + _WHOLE
    + """\
    {%- set turn.system = turn.system + whole | tojson(indent=4) + '\\n\\n' -%}
  {%- endfor -%}
""",
    calls=_CALL
    + """\
        {%- set turn.text = turn.text + (', ' if not loop.first else '[' if loop.length > 1 else '')
             + '{"name": '
             + function['name'] | tojson + ', "parameters": ' + given + '}'
             + (']' if loop.last and loop.length > 1 else '') -%}
      {%- endfor -%}
""",
    parser="llama3_json",
    mark="You have access to the following functions. To call a function",
    dated=True,
)

# Each of vLLM's names of these parsers → the one that the formats above use (tool_parsers/__init__.py).
PARSER_ALIASES = {
    **{one.parser: one.parser for one in (DEFAULT, QWEN, LLAMA3)},
    "qwen3_json": QWEN.parser,
    "llama4_json": LLAMA3.parser,
}
