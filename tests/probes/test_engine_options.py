"""Every option that an engine's own parser lists has its risk in the table, and the table has no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.backends.options.llamafactory import OPTIONS as LLAMAFACTORY
from orchestrator.backends.options.table import OptionTable
from orchestrator.backends.options.vllm import OPTIONS as VLLM
from tests.probes.run_folder import PROBES, run_python

HINT = "give it its risk in orchestrator/backends/options/"
# Mappings whose keys the engine does not describe; the table has those that are safe, or `*`.
FREE = ("dict", "Dict")


def listing(python: Path, engine: str, folder: Path) -> dict[str, Any]:
    done = run_python(python, [str(PROBES / "engine_options.py"), engine], folder)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.real
@pytest.mark.parametrize(("engine", "table"), [("vllm", VLLM), ("llamafactory", LLAMAFACTORY)])
def test_every_option_of_the_engine_has_its_risk(
    engine: str, table: OptionTable, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    python = request.getfixturevalue("serve_python" if engine == "vllm" else "train_python")
    found = listing(python, engine, tmp_path)
    for package, version in table.versions.items():
        assert found["versions"][package].partition("+")[0] == version
    types = {row["name"]: row["type"] for row in found["options"]}
    containers = {name for name in types if any(other.startswith(f"{name}.") for other in types)}
    judged = set(table.options)
    free = {name for name in types if name not in judged and types[name].startswith(FREE)}
    for name in sorted(set(types) - judged - containers - free):
        pytest.fail(f"{engine}: {name} ({types[name]}) has no risk: {HINT}")
    for name in sorted(free - containers):
        assert any(other.startswith(f"{name}.") for other in judged), f"{name} has no risk: {HINT}"
    for name in sorted(judged - set(types)):
        assert any(name.startswith(f"{above}.") for above in free), f"{name}: {engine} has no such option"

    # Whatever else the parser takes for an option is refused.
    for alias in [alias for row in found["options"] for alias in row["aliases"]]:
        assert list(table.refusals({alias: True})), alias
