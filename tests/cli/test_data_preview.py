"""`conch data preview`: rows of a recipe token by token, as text, JSON and page."""
# Covers cli/text/page_file.py execute/data/encode_rows.py

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.small_world import SmallWorld


def test_the_first_rows_are_shown_as_they_are_trained(small: SmallWorld) -> None:
    said = small.run("data", "preview", "small", "-n", "2", "--json")
    assert said.code == 0, said.err
    data = said.envelope["data"]
    assert [row["where"] for row in data["rows"]] == [
        "dataset_info/small.jsonl:1",
        "dataset_info/small.jsonl:2",
    ]
    first = data["rows"][0]
    text = "".join(piece["text"] for piece in first["pieces"])
    assert text.endswith("<think>\n\n</think>\n\n我是神奇海螺。<｜end▁of▁sentence｜>")
    learnt = "".join(piece["text"] for piece in first["pieces"] if piece["trained"])
    assert learnt.startswith("<think>")
    assert first["trained"] == len([piece for piece in first["pieces"] if piece["trained"]])
    assert first["pieces"][-1]["stop"]
    assert data["cutoff_len"] == 1024
    assert not list((small.project).glob("runs"))


def test_the_page_is_whole_and_escaped(small: SmallWorld) -> None:
    rows = [{"instruction": "<script>alert(1)</script>", "input": "", "output": "海\u200b螺"}]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (small.project / "dataset_info/small.jsonl").write_text(text, encoding="utf-8")
    said = small.run("data", "preview", "small", "--out", "页.html")
    assert said.code == 0, said.err
    page = small.read("页.html")
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert "\\u200b" in page
    assert "⟦" in said.out
    assert "页.html" in said.err


def test_rows_are_named_by_number_data_set_or_file(small: SmallWorld) -> None:
    for word in ("3", "small:3", "small.jsonl:3", "dataset_info/small.jsonl:3"):
        said = small.run("data", "preview", "small", "--row", word, "--json")
        assert said.code == 0, said.err
        assert [row["where"] for row in said.envelope["data"]["rows"]] == ["dataset_info/small.jsonl:3"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--row", "99"], 2, "no such row: 99"),
        (["--row", "三"], 2, "not a row number"),
        (["--row", "other:1"], 2, "no dataset of this recipe has this row"),
        (["--out", "page.txt"], 2, "must end in .html"),
        (["--open"], 2, "--open needs --out"),
        (["--tokenizer", "nowhere"], 3, "no such folder"),
        (["-n", "0"], 2, "-n"),
    ],
)
def test_what_cannot_be_shown_is_one_clear_message(
    small: SmallWorld, words: list[str], code: int, told: str
) -> None:
    said = small.run("data", "preview", "small", *words)
    assert said.code == code, said.err
    assert told in said.err
    assert "Traceback" not in said.err


def test_a_row_that_cannot_be_trained_says_why(small: SmallWorld) -> None:
    path = small.project / "dataset_info/small.jsonl"
    bad = json.dumps({"instruction": "问", "input": "", "output": ""}, ensure_ascii=False)
    path.write_text(bad + "\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    said = small.run("data", "preview", "small", "--row", "1")
    assert said.code == 2, said.err
    assert "small.jsonl:1" in said.err
    shown = small.run("data", "preview", "small", "-n", "1", "--json")
    assert shown.code == 0, shown.err
    assert [row["where"] for row in shown.envelope["data"]["rows"]] == ["dataset_info/small.jsonl:2"]
    assert "1 rows before these cannot be trained" in shown.envelope["data"]["notes"][0]


def test_a_probe_that_dies_is_told_and_leaves_no_page(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = "orchestrator.execute.data.encode_rows.PROBES"
    broken = small.project / "probes"
    broken.mkdir()
    (broken / "preview_ids.py").write_text("raise SystemExit('no memory')\n", encoding="utf-8")
    monkeypatch.setattr(probe, broken)
    said = small.run("data", "preview", "small", "--out", "page.html")
    assert said.code == 4, said.err
    assert not (small.project / "page.html").exists()
    log = Path(next(word for word in said.err.split() if ".log" in word).split(":")[0])
    assert log.is_file()
    log.unlink()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_probe_and_leaves_nothing(
    small: SmallWorld, engines: Path, tmp_path: Path, signum: signal.Signals
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (engines / "bin/python").write_text("#!/bin/sh\ntouch $PWD/../at-work\nsleep 60\n", encoding="utf-8")
    child = small.start("data", "preview", "small", "--out", "page.html", env={"TMPDIR": str(scratch)})
    deadline = time.monotonic() + 30
    while not (scratch / "at-work").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(signum)
    assert child.wait(30) == 128 + signum
    assert [path.name for path in scratch.iterdir()] == ["at-work"]
    assert not (small.project / "page.html").exists()
    assert "interrupted" in small.read("said.err")


def test_a_page_that_cannot_be_written_is_told(small: SmallWorld) -> None:
    (small.project / "file").write_text("", encoding="utf-8")
    said = small.run("data", "preview", "small", "--out", "file/page.html")
    assert said.code == 3, said.err
    assert "Traceback" not in said.err
    assert "page.html" in said.err


def test_the_page_is_opened_where_that_is_asked(small: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert small.run("data", "preview", "small", "--out", "page.html").code == 0
    assert opened == []
    assert small.run("data", "preview", "small", "--out", "page.html", "--open").code == 0
    assert opened == [(small.project / "page.html").as_uri()]


def test_a_recipe_that_splits_is_previewed_too(small: SmallWorld) -> None:
    small.write_recipe(("{dataset: small}", "{dataset: small, split: {train: 1, validation: 1}}"))
    said = small.run("data", "preview", "small", "-n", "4", "--json")
    assert said.code == 0, said.err
    assert len(said.envelope["data"]["rows"]) == 4


def test_a_data_set_of_another_purpose_is_refused(small: SmallWorld) -> None:
    path = small.project / "dataset_info/small.jsonl"
    path.write_text(json.dumps({"text": "神奇海螺的书"}, ensure_ascii=False) + "\n", encoding="utf-8")
    entry = "format: text\nfile: small.jsonl\nlicence: x\nsource: x\n"
    (small.project / "dataset_info/small.yaml").write_text(entry, encoding="utf-8")
    said = small.run("data", "preview", "small")
    assert said.code == 2, said.err
    assert "its rows are documents, but conversations are needed" in said.err
