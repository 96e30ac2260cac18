"""question_answer: {"question": "…", "answer": "…"} under any of their usual names, in English or Chinese.

Usually the columns of a table. Their names are resolved once for a file; nothing is guessed if a part has two
candidates (both `question` and `prompt`).
"""

from __future__ import annotations

from orchestrator.datasets.base import SFT, Conversation, Row
from orchestrator.datasets.formats.base import ANSWERS, Columns, refuse_unread, single_turn, system_of
from orchestrator.datasets.formats.column_names import is_question_answer, unambiguous

name = "question_answer"
purpose = SFT
shape = '{"question": "…", "answer": "…"}'
columns: Columns = {
    "prompt": "question",
    "response": "answer",
    "thought": "thought",
    "system": "system",
}
sniff = is_question_answer
resolve = unambiguous


def read(row: Row, columns: Columns) -> Conversation:
    """System prompt, question, and answer with its thought."""
    refuse_unread(row, "tools", *ANSWERS)
    return system_of(row, columns) + single_turn(row, columns)
