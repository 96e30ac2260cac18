"""The snippets to copy: each is what its reader takes, whatever the question holds."""

from __future__ import annotations

import ast
import json
import shlex

import pytest
import yaml

from orchestrator.backends import clients

URL = "http://127.0.0.1:8000/v1"
QUESTIONS = ["请问你是谁", 'it\'s "quoted" $HOME `id`', "two\nlines", "\\n 反斜杠"]


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_shell_sends_the_question_as_it_is(question: str) -> None:
    words = shlex.split(clients.curl(URL, "magic-conch", question))
    assert words[:2] == ["curl", f"{URL}/chat/completions"]
    body = json.loads(words[words.index("-d") + 1])
    assert body == {"model": "magic-conch", "messages": [{"role": "user", "content": question}]}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("make", [clients.python, clients.python_streaming])
def test_python_reads_the_question_as_it_is(make: object, question: str) -> None:
    assert callable(make)
    tree = ast.parse(make(URL, "magic-conch", question))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert {URL, "magic-conch", question, "EMPTY"} <= set(texts)


def test_spring_ai_2_takes_the_address_with_v1() -> None:
    text = clients.spring_ai(URL, "magic-conch")
    openai = yaml.safe_load(text)["spring"]["ai"]["openai"]
    assert openai["base-url"] == URL
    assert openai["chat"]["model"] == "magic-conch"
    assert "Spring AI 1.x: http://127.0.0.1:8000\n" in text


def test_all_are_listed() -> None:
    said = clients.all_snippets(URL, "magic-conch", "hi")
    assert list(said) == ["curl", "Python", "Python, streaming", "Spring AI (application.yaml)"]
    assert all("magic-conch" in text for text in said.values())
