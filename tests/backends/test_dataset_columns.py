"""`columns` and `tags`: partial ones, and those that do not fit the format, the stage or the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.backends.dataset_columns import DEFAULT_TAGS, Listed, Note, roles_of
from orchestrator.backends.dataset_info import lint
from orchestrator.datasets.base import DPO, KTO, PT, SFT, Conversation, Example, KtoExample, Pair, Text
from orchestrator.datasets.targets import ROWS, entry_of

ALPACA = {"instruction": "你是谁", "input": "", "output": "我是海螺。"}
MESSAGES = {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]}
TALK: Conversation = [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]
SHAREGPT = {"conversations": [{"from": "human", "value": "问"}, {"from": "gpt", "value": "答"}]}
OPENAI_TAGS = DEFAULT_TAGS | {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
}


def found(rows: list[Mapping[str, Any]] | None, stage: str = "", **entry: Any) -> tuple[list[str], list[str]]:
    """The mistakes and the notes of an entry whose data has these rows; None: they are not known."""
    text = json.dumps({"海": {"file_name": "a.jsonl", **entry}})

    def look(_: str, /, *, count: bool, roles: tuple[str, str] | None) -> Listed:
        seen: dict[str, int] | None = None
        if rows is not None and roles:
            seen = {}
            for number, row in enumerate(rows, 1):
                for role in roles_of(row, roles):
                    seen.setdefault(role, number)
        return Listed(first=rows[0] if rows else None, rows=1 if count else None, roles=seen)

    listed = lint(text, "i", look, stage)
    notes = [one.what for one in listed if isinstance(one, Note)]
    return [one.what for one in listed if not isinstance(one, Note)], notes


def said(first: Mapping[str, Any] | None = ALPACA, stage: str = "", **entry: Any) -> list[str]:
    return found(None if first is None else [first], stage, **entry)[0]


@pytest.mark.parametrize(
    ("first", "entry"),
    [
        (SHAREGPT, {"formatting": "sharegpt"}),
        (
            MESSAGES,
            {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": OPENAI_TAGS},
        ),
        (
            {"text": "海螺"},
            {"columns": {"prompt": "text"}},
        ),
        (
            {"问题": "a", "答案": "b"},
            {"columns": {"prompt": "问题", "response": "答案"}},
        ),
        (
            {**ALPACA, "kto_tag": True},
            {"columns": {"prompt": "instruction", "response": "output", "kto_tag": "kto_tag"}},
        ),
        (
            SHAREGPT | {"chosen": {}, "rejected": {}},
            {
                "formatting": "sharegpt",
                "ranking": True,
                "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
            },
        ),
        (None, {"columns": {"prompt": "x", "response": "y"}}),
    ],
)
def test_what_names_everything_is_left_alone(first: Mapping[str, Any], entry: Mapping[str, Any]) -> None:
    assert said(first, **entry) == []


@pytest.mark.parametrize("form", ROWS)
@pytest.mark.parametrize(
    ("purpose", "stage", "example"),
    [
        (SFT, "sft", TALK),
        (SFT, "sft", [{"role": "system", "content": "你是海螺"}, *TALK, *TALK]),
        (DPO, "dpo", Pair(TALK[:1], "好", "坏")),
        (KTO, "kto", KtoExample(TALK, good=False)),
        (PT, "pt", Text("海螺")),
    ],
)
def test_the_entries_that_conch_writes_name_everything(
    form: str, purpose: str, stage: str, example: Example
) -> None:
    entry = entry_of("a.jsonl", form, purpose)
    assert said(ROWS[form](example), stage, **entry) == []


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"columns": None}, "columns: must be an object"),
        (
            {"columns": {"promt": "a", "prompt": "instruction", "response": "output"}},
            'no key "columns.promt"',
        ),
        ({"columns": {"prompt": 3, "response": "output"}}, "columns.prompt: must be a name"),
        ({"columns": {"response": "output"}}, "columns does not name prompt"),
        ({"columns": {"history": "history"}}, "columns does not name prompt and response"),
        ({"columns": {"prompt": "instruction", "query": "input"}}, "columns does not name response"),
        ({"columns": {"messages": "messages"}}, "columns.messages is only read with the format sharegpt"),
        ({"ranking": True}, "ranking: true needs columns that name chosen and rejected"),
        (
            {"ranking": True, "columns": {"prompt": "instruction"}},
            "columns does not name chosen and rejected",
        ),
        (
            {"columns": {"prompt": "instruction", "chosen": "a", "rejected": "b"}},
            "columns.chosen is read only with ranking: true",
        ),
        (
            {"ranking": True, "columns": {"prompt": "i", "chosen": "a", "rejected": "b", "kto_tag": "k"}},
            "columns.kto_tag drops every row",
        ),
        ({"formatting": "sharegpt", "columns": {"system": "system"}}, "columns does not name messages"),
        ({"tags": OPENAI_TAGS}, "tags are only read with the format sharegpt"),
        ({"formatting": "sharegpt", "tags": ["role"]}, "tags: must be an object"),
        (
            {"formatting": "sharegpt", "tags": {"user_tag": "user", "assistant_tag": "gpt"}},
            "tags does not name role_tag, content_tag, observation_tag, function_tag, system_tag",
        ),
        (
            {"formatting": "sharegpt", "tags": {**DEFAULT_TAGS, "user_tg": "user"}},
            'no key "tags.user_tg"; did you mean "user_tag"?',
        ),
        (
            {"formatting": "sharegpt", "tags": {**DEFAULT_TAGS, "assistant_tag": "human"}},
            'tags.assistant_tag and tags.user_tag are both "human"',
        ),
    ],
)
def test_what_is_wrong_with_an_entry_alone(entry: Mapping[str, Any], says: str) -> None:
    problems = said(None, **entry)
    assert any(problem.startswith(says) for problem in problems), problems


@pytest.mark.parametrize(
    ("first", "entry", "says"),
    [
        ({"instruction": "a", "output": "b"}, {}, 'without `columns`, columns.query is "input"'),
        (ALPACA, {"columns": {"prompt": "问题", "response": "output"}}, 'columns.prompt is "问题", which'),
        (
            {**ALPACA, "input": "上文"},
            {"columns": {"prompt": "instruction", "response": "output"}},
            'the data has "input" but no column names it',
        ),
        ({**ALPACA, "history": [["a", "b"]]}, {}, 'the data has "history" but no column names it'),
        ({**ALPACA, "system": "你是海螺"}, {}, 'the data has "system" but no column names it'),
        (
            MESSAGES,
            {"formatting": "sharegpt"},
            'columns.messages is "conversations", which the data does not have',
        ),
        (
            MESSAGES,
            {"formatting": "sharegpt", "columns": {"messages": "messages"}},
            'tags.role_tag is "from", but a message of the data has role, content',
        ),
        (
            {"conversations": [{"from": "user", "value": "问"}, {"from": "gpt", "value": "答"}]},
            {"formatting": "sharegpt"},
            "the data has the role user, which no tag names",
        ),
        (
            {"conversations": [{"from": "system", "value": "你是海螺"}, *SHAREGPT["conversations"]]},
            {"formatting": "sharegpt", "tags": DEFAULT_TAGS | {"system_tag": None}},
            "the data has the role system, which no tag names",
        ),
    ],
)
def test_what_does_not_fit_the_data(first: Mapping[str, Any], entry: Mapping[str, Any], says: str) -> None:
    problems = said(first, **entry)
    assert any(says in problem for problem in problems), problems


def test_tags_without_a_role_are_said_once() -> None:
    (problem,) = said(SHAREGPT, formatting="sharegpt", tags=DEFAULT_TAGS | {"role_tag": None})
    assert problem.startswith("tags does not name role_tag")


@pytest.mark.parametrize(
    ("stage", "says"),
    [("pt", []), ("sft", ["columns does not name response: what it does not name is reset to None"])],
)
def test_columns_of_plain_text_fit_pretraining_alone(stage: str, says: list[str]) -> None:
    assert said({"text": "海螺"}, stage, columns={"prompt": "text"}) == says


def test_a_label_of_another_stage_drops_its_rows() -> None:
    columns = {"prompt": "instruction", "query": "input", "response": "output", "kto_tag": "instruction"}
    assert said(stage="kto", columns=columns) == []
    assert said(stage="sft", columns=columns) == ["columns.kto_tag drops every row in all stages except kto"]


FOUR = {key: OPENAI_TAGS[key] for key in ("role_tag", "content_tag", "user_tag", "assistant_tag")}


def talk_with(role: str) -> Mapping[str, Any]:
    return {"messages": [{"role": role, "content": "海"}, *MESSAGES["messages"]]}


@pytest.mark.parametrize("tags", [FOUR, FOUR | {"system_tag": "system"}, FOUR | {"function_tag": None}])
@pytest.mark.parametrize("rows", [[MESSAGES], None])
def test_fault_148_tags_that_no_row_needs_are_a_note(
    tags: Mapping[str, Any], rows: list[Mapping[str, Any]] | None
) -> None:
    """LLaMA-Factory's own dataset_info.json leaves them out in fifteen entries."""
    mistakes, (note,) = found(rows, formatting="sharegpt", columns={"messages": "messages"}, tags=tags)
    assert mistakes == []
    assert note.endswith("its data has none" if rows else "its data is not here to look at")


@pytest.mark.parametrize("role", ["system", "observation", "function_call"])
@pytest.mark.parametrize("before", [0, 3])
def test_fault_148_tags_that_a_row_needs_are_a_mistake(role: str, before: int) -> None:
    """Also where only a later row has the role: the first says nothing of the others."""
    rows = [*[MESSAGES] * before, talk_with(role)]
    mistakes, _ = found(rows, formatting="sharegpt", columns={"messages": "messages"}, tags=FOUR)
    (mistake,) = mistakes
    assert (
        f"has the role {role}, which no tag names: its rows are dropped (first row {before + 1})" in mistake
    )


@pytest.mark.parametrize("tag", FOUR)
def test_fault_148_tags_that_every_row_needs_are_a_mistake(tag: str) -> None:
    tags = {key: name for key, name in FOUR.items() if key != tag}
    mistakes = said(None, formatting="sharegpt", columns={"messages": "messages"}, tags=tags)
    assert [one for one in mistakes if one.startswith(f"tags does not name {tag}")]
