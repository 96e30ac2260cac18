"""`conch parity`: 0 when serving asks what training taught, 5 with the first difference when not."""
# Covers execute/proving/standalone_parity.py

from __future__ import annotations

import json
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.execute.proving import standalone_parity
from tests.children import living_children
from tests.execute.models.test_tokenizer_folder import make_tokenizer
from tests.small_world import ROOT, SmallWorld

RIGHT = "chat_templates/deepseekr1-on-keep.jinja"


def test_the_paired_template_holds(small: SmallWorld) -> None:
    said = small.run("parity", "small", "--json")
    assert said.code == 0, said.err
    parity = said.envelope["data"]
    assert parity["holds"] is True
    assert parity["numbers"]["differs"] == 0
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


BARE = ("parity", "--template", "deepseekr1", "--tokenizer")
# Of a machine that does nothing else the promise is 5 s.
BOUND = 20.0


@pytest.fixture
def anywhere(small: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallWorld:
    """A folder that is no project, with a tokenizer, and the fake engines."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    place = tmp_path / "elsewhere"
    make_tokenizer(place / "我的 tokenizer")
    monkeypatch.chdir(place)
    return replace(small, project=place)


def converse(place: Path, *conversations: Sequence[str]) -> None:
    """mine.jsonl: questions and answers in turn."""
    lines = []
    for texts in conversations:
        roles = ("user", "assistant")
        messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]
        lines.append(json.dumps({"messages": messages}, ensure_ascii=False))
    (place / "mine.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def nothing_is_left(world: SmallWorld) -> bool:
    """No process below this one, no scratch folder."""
    return not living_children() and not any(Path(tempfile.gettempdir()).iterdir())


def test_without_a_recipe_conchs_own_template_holds_for_500_made_up_conversations(
    anywhere: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The fake engines render no tools.
    monkeypatch.setattr(standalone_parity, "conversations_with_tools", lambda *_: [])
    said = anywhere.run(*BARE, "我的 tokenizer", "--json")
    assert said.code == 0, said.out + said.err
    found = said.envelope["data"]
    assert found["holds"] is True
    assert found["counts"]["equal"] == len(found["verdicts"]) == 500
    assert [one["conversation"] for one in found["verdicts"]] == list(range(500))
    assert found["tokenizer"]["holds"] is True
    assert found["chat_template"]["name"] == "chat_templates/deepseekr1-on-keep.jinja"
    # Clients that lose a thought get another prompt: told, and no fault of the template.
    assert found["spellings"]["answer"]["differs"] > 0
    assert nothing_is_left(anywhere)
    text = anywhere.run(*BARE, "我的 tokenizer")
    assert text.out.startswith("equal: 500 equal")
    assert "warning" in text.out
    assert "done after" in text.err


def test_without_a_recipe_every_conversation_of_a_file_has_its_verdict_in_order(anywhere: SmallWorld) -> None:
    converse(anywhere.project, ["你是谁", "海螺。"], ["a", "<think>\n想\n</think>\n\nb", "c", "d"])
    jinja = anywhere_template("deepseekr1-on-keep")
    (anywhere.project / "mine.jinja").write_text(jinja, encoding="utf-8")
    words = (*BARE, "我的 tokenizer", "--conversations", "mine.jsonl", "--chat-template", "mine.jinja")
    said = anywhere.run(*words, "--json")
    assert said.code == 0, said.out + said.err
    first, second = said.envelope["data"]["verdicts"]
    assert (first["where"], first["verdict"]) == ("mine.jsonl:1", "equal")
    assert first["training_ids"][: len(first["served_ids"])] == first["served_ids"]
    assert second["verdict"] == "equal"
    (anywhere.project / "mine.jinja").write_text(
        jinja.replace("'<｜User｜>' +", "'<｜User｜> ' +"), encoding="utf-8"
    )
    said = anywhere.run(*words, "--json")
    assert said.code == 5
    for place, one in enumerate(said.envelope["data"]["verdicts"]):
        assert (one["conversation"], one["verdict"], one["turn"]) == (place, "differs", 0)
        assert (one["training_id"], one["served_id"]) == (ord("你a"[place]), ord(" "))
        assert one["training_text"] != one["served_text"]
        assert one["explanation"]
        assert one["hint"]
    assert said.envelope["data"]["first_difference"]["conversation"] == 0
    assert nothing_is_left(anywhere)


def test_a_prompt_that_opens_the_trained_thought_is_a_prefill_and_another_is_forced(
    anywhere: SmallWorld,
) -> None:
    converse(anywhere.project, ["a", "<think>\n想\n</think>\n\nb"], ["a", "b"])
    jinja = anywhere_template("deepseekr1-on-keep") + "{{ '<think>\\n想' }}"
    (anywhere.project / "mine.jinja").write_text(jinja, encoding="utf-8")
    words = (*BARE, "我的 tokenizer", "--conversations", "mine.jsonl", "--chat-template", "mine.jinja")
    said = anywhere.run(*words, "--json")
    assert said.code == 5, said.err
    assert [one["verdict"] for one in said.envelope["data"]["verdicts"]] == ["prefill", "forced"]


def anywhere_template(name: str) -> str:
    """A template that Conch ships."""
    return (ROOT / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


def test_a_corrected_copy_is_written_and_proven_when_asked(anywhere: SmallWorld) -> None:
    converse(anywhere.project, ["a", "b"])
    words = (*BARE, "我的 tokenizer", "--conversations", "mine.jsonl", "--fix", "copy")
    said = anywhere.run(*words, "--json")
    assert said.code == 0, said.err
    assert said.envelope["data"]["fixed"] == "copy"
    config = json.loads(anywhere.read("copy/tokenizer_config.json"))
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    again = anywhere.run(*words)
    assert again.code == 2
    assert "already exists" in again.err


BAD_FILES: dict[str, tuple[str, str | bytes, str]] = {
    "syntax": ("mine.jinja", "a\n{% if %}", "mine.jinja:2"),
    "loop": ("mine.jinja", "{% for a in range(99999) %}" * 4 + "{% endfor %}" * 4, "does not end"),
    "flood": ("mine.jinja", "{{ 'a' * 10**10 }}", "memory"),
    "escape": ("mine.jinja", "{{ cycler.__init__.__globals__ }}", "sandbox"),
    "not UTF-8": ("mine.jinja", b"\xff", "not UTF-8"),
    "cut": ("我的 tokenizer/tokenizer.json", '{"model": {"vocab": {"a"', "tokenizer.json:1"),
    "no vocabulary": ("我的 tokenizer/tokenizer.json", '{"model": {}}', "no vocabulary"),
    "broken config": ("我的 tokenizer/tokenizer_config.json", "{", "tokenizer_config.json:1"),
    "not JSON": ("mine.jsonl", '{"messages": [', "mine.jsonl:1"),
    "no answer": ("mine.jsonl", '[{"role": "user", "content": "x"}]', "mine.jsonl:1"),
    "empty": ("mine.jsonl", "", "contains no conversation"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_input_is_refused_in_seconds_and_nothing_is_left(
    anywhere: SmallWorld, name: str, record_property: Callable[[str, object], None]
) -> None:
    converse(anywhere.project, ["a", "b"])
    (anywhere.project / "mine.jinja").write_text("{{ bos_token }}", encoding="utf-8")
    file, content, told = BAD_FILES[name]
    data = content.encode() if isinstance(content, str) else content
    (anywhere.project / file).write_bytes(data)
    began = time.monotonic()
    said = anywhere.run(
        *BARE, "我的 tokenizer", "--conversations", "mine.jsonl", "--chat-template", "mine.jinja"
    )
    seen = time.monotonic() - began
    record_property("seconds", seen)
    assert seen < BOUND, f"{name} took {seen:.1f} s"
    assert said.code == 2, said.out + said.err
    assert told in said.err
    assert "→" in said.err
    assert "Traceback" not in said.err
    assert nothing_is_left(anywhere)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("nowhere",), 3, "no such folder"),
        ((".",), 3, "has no tokenizer"),
        (("我的 tokenizer", "--chat-template", "no.jinja"), 3, "no such chat template"),
        (("我的 tokenizer", "--chat-template", "."), 2, "a folder"),
        (("我的 tokenizer", "--conversations", "no.jsonl"), 3, "does not exist"),
        (("我的 tokenizer", "--conversations", "."), 2, "a folder"),
        (("我的 tokenizer", "--set", "train.epochs=1"), 2, "either a recipe or --tokenizer"),
        (("我的 tokenizer", "small"), 2, "either a recipe or --tokenizer"),
        (("我的 tokenizer", "--template", "nobody"), 2, "nobody"),
        (("我的 tokenizer", "--hardware", "cuda"), 3, "conch env sync train --hardware cuda"),
    ],
)
def test_what_is_missing_or_does_not_go_together_is_told(
    anywhere: SmallWorld, words: Sequence[str], code: int, told: str
) -> None:
    said = anywhere.run(*BARE, *words)
    assert said.code == code, said.out + said.err
    assert told in said.err
    assert nothing_is_left(anywhere)


def test_what_belongs_to_no_recipe_is_refused_beside_one(anywhere: SmallWorld) -> None:
    assert "only with --tokenizer" in anywhere.run("parity", "small", "--thinking", "on").err
    assert "requires --template" in anywhere.run("parity", "--tokenizer", "我的 tokenizer").err


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_both_probes_and_leaves_nothing(
    anywhere: SmallWorld, engines: Path, tmp_path: Path, signum: signal.Signals
) -> None:
    (engines / "bin/python").write_text("#!/bin/sh\ntouch $PWD/../at-work\nsleep 60\n", encoding="utf-8")
    child = anywhere.start(*BARE, "我的 tokenizer", env={"TMPDIR": str(tmp_path / "scratch")})
    wait_for(tmp_path / "scratch/at-work")
    child.send_signal(signum)
    assert child.wait(30) == 128 + signum
    assert not list((tmp_path / "scratch").glob("conch-parity-*"))
    assert "interrupted" in anywhere.read("said.err")


def wait_for(path: Path) -> None:
    """Until it is there."""
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_probe_that_fails_leaves_its_log_where_the_message_says(
    anywhere: SmallWorld, engines: Path
) -> None:
    (engines / "bin/python").write_text("#!/bin/sh\necho the tokenizer is odd\nexit 9\n", encoding="utf-8")
    said = anywhere.run(*BARE, "我的 tokenizer")
    assert said.code == 4, said.err
    (log,) = Path(tempfile.gettempdir()).iterdir()
    assert str(log) in said.err
    assert "the tokenizer is odd" in log.read_text(encoding="utf-8")
