"""dpo_sharegpt: {"conversations": […], "chosen": {"from": "gpt", "value": "…"}, "rejected": {…}}.

LLaMA-Factory's shape of pairs, with `from` and `value` or `role` and `content`. The conversation ends with
the question that both answer; LLaMA-Factory drops one that ends with an answer.
"""

from __future__ import annotations

from orchestrator.datasets.base import ASSISTANT, DPO, Pair, Row, RowProblem, excerpt
from orchestrator.datasets.formats.base import ANSWERS, Columns, refuse_unread, system_of
from orchestrator.datasets.formats.messages import messages_in, read_turn, read_turns

name = "dpo_sharegpt"
purpose = DPO
shape = (
    '{"conversations": [{"from": "human", "value": "…"}], '
    '"chosen": {"from": "gpt", "value": "better"}, "rejected": {"from": "gpt", "value": "worse"}}'
)
columns: Columns = {
    "messages": "conversations",
    "role": "from",
    "content": "value",
    "chosen": "chosen",
    "rejected": "rejected",
    "system": "system",
}
resolve = messages_in


def sniff(row: Row) -> bool:
    """Whether it has messages, and two answers that are messages."""
    return all(isinstance(row.get(side), dict) for side in ANSWERS) and bool(messages_in(row))


def read(row: Row, columns: Columns) -> Pair:
    """The conversation up to its question, and the better and the worse answer."""
    refuse_unread(row, "tools")
    prompt = system_of(row, columns) + read_turns(row, columns, shape)
    chosen, rejected = (_answer(row, columns[side], columns) for side in ANSWERS)
    if prompt and prompt[-1]["role"] == ASSISTANT:
        answer = prompt[-1]["content"]
        what = f"the conversation already ends with an answer: {excerpt(answer)}"
        # Only a copy of the better answer can be removed without a loss.
        inside = row if answer == chosen else None
        hint = "end it with the question"
        raise RowProblem("answer in prompt", what, hint, inside=inside, column=columns["messages"])
    return Pair(prompt, chosen, rejected)


def _answer(row: Row, column: str, columns: Columns) -> str:
    if column not in row:
        raise RowProblem("missing key", f'no "{column}"', f"a row is {shape}")
    message = read_turn(row[column], columns, shape)
    if message["role"] != ASSISTANT:
        what = f'"{column}" is from {message["role"]}, not from the assistant: {excerpt(message["content"])}'
        raise RowProblem("unknown role", what, "an answer is from the assistant")
    return message["content"]
