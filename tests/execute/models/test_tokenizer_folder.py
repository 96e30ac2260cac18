"""A tokenizer folder that no engine could read is refused at once, with the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import ConchError, MissingError, UsageError
from orchestrator.execute.models.tokenizer_folder import check_tokenizer

WHOLE: dict[str, Any] = {
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]},
    "added_tokens": [{"id": 3, "content": "<｜User｜>"}],
}


def make_tokenizer(folder: Path, tokenizer: object = WHOLE, config: str | None = "{}") -> Path:
    """A folder with these files; a str is written as it is, anything else as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    text = tokenizer if isinstance(tokenizer, str) else json.dumps(tokenizer)
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    if config is not None:
        (folder / "tokenizer_config.json").write_text(config, encoding="utf-8")
    return folder


@pytest.mark.parametrize("merges", [[["a", "b"]], ["a b"]])
def test_a_whole_folder_passes(tmp_path: Path, merges: list[Any]) -> None:
    check_tokenizer(make_tokenizer(tmp_path, {"model": {**WHOLE["model"], "merges": merges}}))
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}', encoding="utf-8")
    check_tokenizer(tmp_path)


CUT = json.dumps(WHOLE)[:60]
BROKEN: dict[str, tuple[object, str | None, type[ConchError], str]] = {
    "cut": (CUT, "{}", UsageError, r"tokenizer\.json:1  is truncated or not JSON"),
    "not json": ("海螺", "{}", UsageError, r"tokenizer\.json:1 "),
    "a list": ([], "{}", UsageError, "is not a JSON object"),
    "no model": ({}, "{}", UsageError, 'has no "model"'),
    "no vocabulary": ({"model": {"type": "BPE", "merges": []}}, "{}", UsageError, "has no vocabulary"),
    "no merges": ({"model": {"type": "BPE", "vocab": {"a": 0}}}, "{}", UsageError, "no merges"),
    "token cut out": (
        {"model": {**WHOLE["model"], "vocab": {"a": 0, "b": 1}}},
        "{}",
        UsageError,
        "has no token 'ab'",
    ),
    "pointer": ("version https://git-lfs.github.com/spec/v1", "{}", MissingError, "Git LFS pointer"),
    "no config": (WHOLE, None, MissingError, r"has no tokenizer_config\.json"),
    "broken config": (WHOLE, '{"a": ', UsageError, r"tokenizer_config\.json:1  is truncated"),
    "code": (WHOLE, '{"auto_map": {"AutoTokenizer": ["x.Y", null]}}', UsageError, "auto_map"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_is_refused_with_the_file_and_the_fix(tmp_path: Path, name: str) -> None:
    tokenizer, config, kind, told = BROKEN[name]
    make_tokenizer(tmp_path, tokenizer, config)
    with pytest.raises(kind, match=told) as refused:
        check_tokenizer(tmp_path)
    assert refused.value.problems[0].hint


def test_what_is_no_tokenizer_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such folder"):
        check_tokenizer(tmp_path / "nowhere")
    with pytest.raises(MissingError, match="has no tokenizer"):
        check_tokenizer(tmp_path)
    file = tmp_path / "tokenizer.json"
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="a file, not a folder"):
        check_tokenizer(file)
    (tmp_path / "tokenizer_config.json").mkdir()
    with pytest.raises(UsageError, match="cannot read it"):
        check_tokenizer(tmp_path)
