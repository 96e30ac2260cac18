"""`conch parity`: 0 when serving asks what training taught, 5 with the first difference when not."""

from __future__ import annotations

import pytest

from tests.small_world import SmallWorld

RIGHT = "chat_templates/deepseekr1-on-keep.jinja"


def test_the_paired_template_holds(small: SmallWorld) -> None:
    said = small.run("parity", "small", "--json")
    assert said.code == 0, said.err
    parity = said.envelope["data"]
    assert parity["holds"] is True
    assert parity["counts"]["differs"] == 0
    assert "4 rows of small" in parity["covered"]
    text = small.run("parity", "small")
    assert text.out.startswith("equal: ")
    assert parity["proof"] in text.out
    assert [path.name for path in (small.project / "runs").iterdir()] == ["small"]


def test_another_template_is_refuted_with_the_place_and_is_no_run_of_the_recipe(small: SmallWorld) -> None:
    wrong = small.read(RIGHT).replace("'<｜User｜>' + content", "'<｜User｜> ' + content")
    (small.project / "official.jinja").write_text(wrong, encoding="utf-8")
    said = small.run("parity", "small", "--chat-template", "official.jinja")
    assert said.code == 5, said.err
    assert said.out.startswith("different: ")
    assert "position" in said.out
    assert "<｜User｜>" in said.out
    assert not (small.project / "runs/small").exists()
    assert small.run("parity", "small", "--chat-template", "official.jinja", "--json").envelope["ok"] is False


@pytest.mark.parametrize(("text", "code"), [(None, 3), ("{% if %}", 2), ("{{ raise_exception('no') }}", 5)])
def test_a_template_that_cannot_be_used_is_one_clear_message(
    small: SmallWorld, text: str | None, code: int
) -> None:
    if text is not None:
        (small.project / "mine.jinja").write_text(text, encoding="utf-8")
    said = small.run("parity", "small", "--chat-template", "mine.jinja")
    assert said.code == code, said.err
    assert "Traceback" not in said.err + said.out
    if code != 5:
        assert "chat_template.jinja:1" in said.err or "mine.jinja" in said.err
