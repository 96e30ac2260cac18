"""kto: a row of alpaca, sharegpt, openai or question and answer, with "kto_tag": true or false.

The label may also be called `label`, `liked`, 点赞 and so on (column_names.py). Also TRL's rows, whose
`prompt` and `completion` are lists of messages. The label says whether the last answer
is good. LLaMA-Factory drops every row whose label is not JSON's true or false; here, a number or a word is
refused and can be repaired.
"""

from __future__ import annotations

from orchestrator.datasets.base import (
    ASSISTANT,
    KTO,
    Conversation,
    KtoExample,
    Row,
    RowProblem,
    excerpt,
    type_name,
)
from orchestrator.datasets.formats.base import (
    ANSWERS,
    Columns,
    instruction_prompt,
    refuse_unread,
    required_text,
)
from orchestrator.datasets.formats.column_names import LIKED, is_question_answer, named, unambiguous
from orchestrator.datasets.formats.messages import messages_in, read_system_and_turns, read_turns
from orchestrator.datasets.repairs import LABELS

name = "kto"
purpose = KTO
shape = '{"instruction": "…", "input": "…", "output": "…", "kto_tag": true}'
columns: Columns = {
    "messages": "messages",
    "role": "role",
    "content": "content",
    "prompt": "instruction",
    "query": "input",
    "response": "output",
    "history": "history",
    "system": "system",
    "label": "kto_tag",
}

# Values of a column `label` that can mean good or bad; other values have another meaning.
_TRUTHS = frozenset({"true", "false", "0", "1"})


def sniff(row: Row) -> bool:
    """Whether it has a label, and a conversation of a known shape."""
    known = messages_in(row) or _is_alpaca(row) or is_question_answer(row)
    return bool(_label(row)) and "chosen" not in row and bool(known)


def resolve(row: Row) -> Columns:
    """The column names of the parts."""
    label = _label(row)
    found, messages = {"label": label} if label else {}, messages_in(row)
    if not messages and not _is_alpaca(row) and is_question_answer(row):
        return {**found, **{part: key for part, key in unambiguous(row).items() if part in columns}}
    return {**found, **messages}


def read(row: Row, columns: Columns) -> KtoExample:
    """The conversation, and its label."""
    label = row.get(columns["label"])
    if not isinstance(label, bool):
        raise _not_a_label(row, columns["label"])
    return KtoExample(_conversation(row, columns), good=label)


def _conversation(row: Row, columns: Columns) -> Conversation:
    if columns["messages"] in row:
        return read_system_and_turns(row, columns, shape)
    if isinstance(row.get(columns["prompt"]), list):
        refuse_unread(row, "tools")
        sides = ({**columns, "messages": columns[part]} for part in ("prompt", "response"))
        return [message for side in sides for message in read_turns(row, side, shape)]
    refuse_unread(row, "tools", *ANSWERS)
    messages = instruction_prompt(row, columns)
    messages.append({"role": ASSISTANT, "content": required_text(row, columns["response"])})
    return messages


def _is_alpaca(row: Row) -> bool:
    return "instruction" in row and "output" in row


def _label(row: Row) -> str:
    if "kto_tag" in row:
        return "kto_tag"
    for key, words in (("label", _TRUTHS), (named(row, LIKED), LABELS)):
        label = row.get(key)
        if isinstance(label, bool | int | str) and str(label).strip().casefold() in words:
            return key
    return ""


def _not_a_label(row: Row, column: str) -> RowProblem:
    if column not in row:
        return RowProblem("missing key", f'no "{column}"', "add whether the answer is good: true or false")
    value = row[column]
    what = f'"{column}" is {type_name(value)}, not true or false: {excerpt(value)}'
    hint = "write true or false without quotes; if it does not rate the answer, use another --format"
    return RowProblem("label", what, hint, inside=row, column=column)
