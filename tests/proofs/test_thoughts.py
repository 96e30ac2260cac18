"""What becomes of a thought is what LLaMA-Factory's own template does to it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from orchestrator.execute.environments import registry
from orchestrator.execute.host import machine
from orchestrator.proofs.truncation import REASONING, Fate, ThoughtRules, fates

THOUGHT = "<think>\n想\n</think>\n\n答"
BARE = "<think>x</think>y"


def told(rules: ThoughtRules, *answers: str) -> list[tuple[int, Fate]]:
    messages = [
        {"role": role, "content": text}
        for text in answers
        for role, text in (("user", "问"), ("assistant", text))
    ]
    return list(fates(messages, rules))


def test_thinking_off_removes_only_its_own_spelling() -> None:
    off = ThoughtRules("deepseekr1", thinking=False, mask_history=False)
    assert told(off, THOUGHT, "答", BARE) == [(0, Fate.REMOVED), (2, Fate.SURVIVES_OFF)]


@pytest.mark.parametrize(
    "answer",
    [
        "<think>\nx\n</think>\ny",
        "<think>x\n</think>\n\ny",
        " \n<think>\nx</think>\n\ny",
        "<think></think>y",
        "<think>x",
    ],
)
def test_other_spellings_stay(answer: str) -> None:
    assert told(ThoughtRules("qwen3", thinking=False, mask_history=False), answer) == [(0, Fate.SURVIVES_OFF)]


@pytest.mark.parametrize("answer", ["想</think>\n\n答", "写 <think> 标签", "用 `</think>` 结束"])
def test_a_mark_keeps_the_empty_thought_away(answer: str) -> None:
    assert told(ThoughtRules("deepseekr1", thinking=False, mask_history=False), answer) == [(0, Fate.MARKED)]
    assert told(ThoughtRules("deepseekr1", thinking=True, mask_history=False), answer) == []
    # A template that never adds an empty thought loses nothing by a mark.
    assert told(ThoughtRules("chatml", thinking=False, mask_history=False), answer) == []


def test_stripped_history_loses_earlier_thoughts_alone() -> None:
    strip = ThoughtRules("deepseekr1", thinking=True, mask_history=True)
    assert told(strip, THOUGHT, BARE, THOUGHT) == [
        (0, Fate.STRIPPED),
        (1, Fate.SURVIVES_STRIP),
        (2, Fate.TAUGHT),
    ]
    keep = ThoughtRules("deepseekr1", thinking=None, mask_history=False)
    assert told(keep, THOUGHT, BARE) == [(0, Fate.TAUGHT), (1, Fate.TAUGHT)]


def test_other_templates_remove_nothing() -> None:
    assert told(ThoughtRules("chatml", thinking=False, mask_history=False), THOUGHT) == [
        (0, Fate.SURVIVES_OFF)
    ]
    assert told(ThoughtRules("qwen", thinking=True, mask_history=True), THOUGHT, "y") == [
        (0, Fate.SURVIVES_STRIP)
    ]


SCRIPT = r"""
import json, sys
from llamafactory.data.template import TEMPLATES, ReasoningTemplate
plain = [n for n, t in TEMPLATES.items()
         if type(t) is ReasoningTemplate and tuple(t.thought_words) == ("<think>\n", "\n</think>\n\n")]
left = [TEMPLATES["deepseekr1"].remove_thought(text) for text in json.load(sys.stdin)]
print(json.dumps({"plain": plain, "left": left}))
"""


@pytest.mark.real
def test_it_is_what_llamafactory_does(tmp_path: Path) -> None:
    from orchestrator.proofs.truncation import REMOVED

    texts = [
        THOUGHT,
        BARE,
        "<think>\n\n</think>\n\n",
        "a<think>\nb\n</think>\n\nc",
        THOUGHT + THOUGHT,
        "\n\nx",
        "<think>\nx\n</think>\ny",
    ]
    python = registry.require("train", machine.hardware()) / "bin" / "python"
    done = subprocess.run(
        [python, "-c", SCRIPT],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
        timeout=300,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    assert [REMOVED.sub("", text).lstrip("\n") for text in texts] == said["left"]
    assert sorted(REASONING) == sorted(said["plain"])
