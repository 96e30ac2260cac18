"""Measure the package's structure, draw its rooms, and read its import layers.

    python -m benchmarks.house                       # the structure of this checkout, as a Markdown table
    python -m benchmarks.house 3db516c               # … beside that of a commit
    python -m benchmarks.house --write               # the generated parts of the documents

Reads source text only, so it measures any commit. Imports inside functions count like any other.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/architecture.md"
BEFORE = "3db516c"
PACKAGE = "orchestrator"

Graph = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class Structure:
    """The measurements of one checkout, each with its row title."""

    lines: int
    files: int
    largest: str
    single: int
    any_words: int
    noqa: int
    function_lines: str
    file_lines: str
    cycles: int


TITLES = (
    "lines of code in orchestrator/",
    "files",
    "largest room, modules (cli/ apart)",
    "modules with one importer",
    "the word `Any`",
    "`noqa`",
    "lines of a function, mean · 90th percentile",
    "lines of a file, mean · 90th percentile",
    "modules in import cycles, lazy imports included",
)


def sources(root: Path) -> dict[str, Path]:
    """Module name → file, of the whole package."""
    found = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(files: Mapping[str, Path]) -> Graph:
    """Module → the modules of the package that it imports, anywhere in its text."""
    graph: Graph = {}
    for name, path in files.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        graph[name] = set(_imported(ast.parse(path.read_text(encoding="utf-8")), package, files)) - {name}
    return graph


def _imported(tree: ast.AST, package: str, files: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name in files)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package.split(".")[: 1 - node.level or None], *filter(None, [node.module])])
            if base in files:
                submodules = [f"{base}.{one.name}" for one in node.names if f"{base}.{one.name}" in files]
                yield from submodules
                if len(submodules) < len(node.names):
                    yield base


def cycles(graph: Graph) -> list[list[str]]:
    """The groups of modules that import each other, directly or through others."""
    reach = {name: _reachable(graph, name) for name in graph}
    groups = {tuple(sorted(b for b in reach[a] if a in reach[b])) for a in graph if a in reach[a]}
    return [list(group) for group in sorted(groups)]


def _reachable(graph: Graph, start: str) -> set[str]:
    found: set[str] = set()
    rest = list(graph[start])
    while rest:
        name = rest.pop()
        if name not in found:
            found.add(name)
            rest += graph[name]
    return found


def measure(root: Path) -> Structure:
    """The structure of a checkout."""
    files = sources(root)
    graph = imports(files)
    texts = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    lengths = [text.count("\n") for text in texts.values()]
    functions = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for text in texts.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    rooms: dict[str, int] = {}
    for path in files.values():
        room = path.parent.relative_to(root / PACKAGE).as_posix()
        rooms[room] = rooms.get(room, 0) + (path.name != "__init__.py")
    rooms = {room: number for room, number in rooms.items() if room.split("/")[0] != "cli"}
    largest = max(rooms, key=lambda room: rooms[room])
    importers = {name: sum(name in others for others in graph.values()) for name in files}
    modules = [name for name, path in files.items() if path.name != "__init__.py"]
    return Structure(
        lines=sum(lengths),
        files=len(files),
        largest=f"{rooms[largest]} ({largest}/)",
        single=sum(importers[name] == 1 for name in modules),
        any_words=sum(len(re.findall(r"\bAny\b", text)) for text in texts.values()),
        noqa=sum(text.count("# noqa") for text in texts.values()),
        function_lines=_spread(functions),
        file_lines=_spread(lengths),
        cycles=sum(map(len, cycles(graph))),
    )


def _spread(numbers: list[int]) -> str:
    ordered = sorted(numbers)
    return f"{sum(ordered) / len(ordered):.1f} · {ordered[int(len(ordered) * 0.9)]}"


def table(columns: Mapping[str, Structure]) -> str:
    """The measurements side by side."""
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for title, field in zip(TITLES, fields(Structure), strict=True):
        values = [getattr(one, field.name) for one in columns.values()]
        shown = [f"{value:,}" if isinstance(value, int) else value for value in values]
        lines.append(f"| {title} | {' | '.join(shown)} |")
    return "\n".join(lines)


def measure_commit(commit: str) -> Structure:
    """The structure at a commit of this repository."""
    packed = subprocess.run(
        ["git", "archive", commit, PACKAGE], cwd=ROOT, capture_output=True, check=True
    ).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        return measure(Path(folder))


def room_of(module: str) -> str:
    """The room that a module is in: `execute.runner`, `checks`, or a single file such as `results`."""
    parts = module.split(".")[1:]
    return ".".join(parts[:2]) if parts[:1] == ["execute"] else parts[0] if parts else ""


def rooms(graph: Graph) -> Graph:
    """Room → the rooms that it imports."""
    found: Graph = {}
    for module, others in graph.items():
        room = room_of(module)
        found.setdefault(room, set()).update(room_of(other) for other in others)
    return {room: others - {room, ""} for room, others in found.items() if room}


def reduced(graph: Graph) -> Graph:
    """The graph without the edges that a longer path implies; edges inside a cycle stay."""
    direct = {name: others & graph.keys() for name, others in graph.items()}
    shortened: Graph = {}
    for name, others in direct.items():
        rest = {other: its - {name} for other, its in direct.items() if other != name}
        reach = {other: _reachable(rest, other) for other in rest}
        implied = {far for near in others for far in reach[near] if near not in reach[far]}
        shortened[name] = others - implied
    return shortened


def picture(root: Path = ROOT) -> str:
    """The rooms and their imports as a Mermaid graph; edges that others imply are left out."""
    graph = rooms(imports(sources(root)))
    for apart in ("execute", "__main__"):
        graph.pop(apart, None)
    kept = reduced(graph)
    inside = sorted(room for room in kept if room.startswith("execute."))
    lines = ["```mermaid", "graph TD", "  subgraph execute"]
    lines += [f"    {room}[{room.partition('.')[2]}]" for room in inside]
    lines += ["  end", *(f"  {room}" for room in sorted(kept) if room not in inside)]
    lines += [f"  {room} --> {other}" for room in sorted(kept) for other in sorted(kept[room])]
    return "\n".join([*lines, "```"])


def layers() -> list[list[str]]:
    """The layers of each layers contract in pyproject.toml, top first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    return [one["layers"] for one in contracts if one["type"] == "layers"]


def chain(names: list[str]) -> str:
    """Layers as one line.

    >>> chain(["orchestrator.cli", "orchestrator.html | orchestrator.proofs"])
    'cli → html, proofs'
    """
    return " → ".join(layer.replace(f"{PACKAGE}.", "").replace(" | ", ", ") for layer in names)


def replace_part(text: str, name: str, part: str) -> str:
    """The text with what stands between <!-- name --> and <!-- /name --> replaced."""
    marks = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = text.partition(marks[0])
    _, closed, after = rest.partition(marks[1])
    if not (found and closed):
        raise ValueError(f"no {marks[0]} … {marks[1]}")
    return f"{before}{marks[0]}\n{part}\n{marks[1]}{after}"


def generated() -> dict[Path, dict[str, str]]:
    """Document → its parts that follow from the code, by the name between their marks."""
    package, execute = layers()
    contributing = {"layers": f"  {chain(package)}.", "execute": f"  {chain(execute)}."}
    return {PAGE: {"rooms": picture()}, ROOT / "CONTRIBUTING.md": contributing}


def main() -> int:
    """The command line."""
    words = sys.argv[1:]
    if words == ["--write"]:
        columns = {f"before (`{BEFORE}`)": measure_commit(BEFORE), "after": measure(ROOT)}
        for path, parts in generated().items():
            text = path.read_text(encoding="utf-8")
            for name, part in {**parts, **({"structure": table(columns)} if path == PAGE else {})}.items():
                text = replace_part(text, name, part)
            path.write_text(text, encoding="utf-8")
        return 0
    print(table({commit: measure_commit(commit) for commit in words} | {"this checkout": measure(ROOT)}))
    for group in cycles(imports(sources(ROOT))):
        print("cycle:", ", ".join(group), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
