"""The rooms are what docs/architecture.md shows: no cycle, no crowded room, and a picture that is current."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import house

MOST_MODULES = 24


@pytest.mark.parametrize("path", house.generated(), ids=lambda path: path.name)
def test_what_is_generated_is_current(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name, part in house.generated()[path].items():
        assert house.replace_part(text, name, part) == text, "run: python -m benchmarks.house --write"


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert house.cycles(house.imports(house.sources(house.ROOT))) == []


def test_no_room_is_crowded() -> None:
    assert int(house.measure(house.ROOT).largest.split()[0]) <= MOST_MODULES


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Three modules, two of which import each other, one of them inside a function."""
    texts = {
        "__init__.py": "",
        "a.py": "from orchestrator import room\nfrom orchestrator.room import b\n",
        "room/__init__.py": "",
        "room/b.py": "from typing import Any\n\n\ndef f(x: Any):  # noqa: D103\n    from . import c\n",
        "room/c.py": "import orchestrator.room.b\n",
    }
    for name, text in texts.items():
        path = tmp_path / "orchestrator" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_a_structure_is_measured(package: Path) -> None:
    found = house.measure(package)
    assert (found.lines, found.files, found.largest) == (8, 5, "2 (room/)")
    assert (found.any_words, found.noqa, found.cycles, found.single) == (2, 1, 2, 1)
    assert found.function_lines == "2.0 · 2"
    assert house.cycles(house.imports(house.sources(package))) == [
        ["orchestrator.room.b", "orchestrator.room.c"]
    ]


def test_an_import_that_follows_from_others_is_not_drawn() -> None:
    graph = {"a": {"b", "c"}, "b": {"c"}, "c": set[str]()}
    assert house.reduced(graph) == {"a": {"b"}, "b": {"c"}, "c": set()}
    assert house.reduced({"a": {"b", "c"}, "b": {"a"}, "c": set()})["a"] == {"b", "c"}
