"""A family is found by its table alone: writer, recognition and differences know it."""
# Covers templates/families/

from __future__ import annotations

import pytest

from orchestrator.templates import families
from orchestrator.templates.causes import explain
from orchestrator.templates.families.base import Family, Layout
from orchestrator.templates.pairing import Recognised, name_of, read, recognise, write_pairing
from orchestrator.templates.prompt_diff import Difference, Training
from orchestrator.templates.writer import settings_of
from tests.templates.typed import Typed

LAYOUT = Layout(
    system="'[SYS]' + content + '[/SYS]'",
    user="'[INST]' + content + '[/INST]'",
    opens="[BOT]",
    closes="'[END]'",
    reasons=True,
    reasoning_parser="dummy_parser",
)
DUMMY = Family(
    label="Dummy ([INST])",
    answer_mark="[BOT]",
    system_block=r"\[SYS\](.*?)\[/SYS\]",
    layouts={"dummy": LAYOUT},
    recognise=lambda jinja, model_type: "dummy" if "[INST]" in jinja and model_type == "dummy" else "",
)


@pytest.fixture(autouse=True)
def dummy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(families.FAMILIES, "dummy", DUMMY)


def test_the_writer_writes_its_pairing() -> None:
    jinja, text = write_pairing("dummy", "on", "keep")
    assert "{{- '[INST]' + content + '[/INST]' -}}" in jinja
    pairing = read(name_of("dummy", *settings_of("dummy", "on", "keep")), text, jinja)
    assert (pairing.training, pairing.reasoning_parser) == ("dummy", "dummy_parser")


def test_a_models_own_template_is_recognised() -> None:
    assert recognise("[INST]{{ x }}[/INST]", "dummy", {}) == Recognised("dummy")
    assert recognise("[INST]{{ x }}[/INST]", "llama", {}) is None


@pytest.mark.parametrize(
    ("trained", "served", "words"),
    [
        ("[INST]a[/INST][BOT]", "<｜User｜>a<｜Assistant｜>", "training wrote marks of Dummy ([INST])"),
        ("[INST]a[/INST][BOT]", "[SYS]be brief[/SYS][INST]a[/INST][BOT]", "only the served prompt begins"),
    ],
)
def test_its_marks_explain_a_difference(trained: str, served: str, words: str) -> None:
    typed = Typed()
    ids = typed.ids(trained), typed.ids("x"), typed.ids(served)
    position = next(at for at, (one, other) in enumerate(zip(ids[0], ids[2], strict=False)) if one != other)
    cause = explain(Difference("differs", position, *ids), Training("dummy"), (typed.pieces, typed.pieces))
    assert words in cause.explanation
    assert cause.explanation.zh != cause.explanation
    assert Training("dummy").reasons
