"""Where environments and models lie: CONCH_HOME, else the platform's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.execute.host.paths import conch_home


def test_conch_home_is_taken_as_it_was_meant(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for said, meant in {"~/conch": home / "conch", "sub": Path.cwd() / "sub", "/a b": Path("/a b")}.items():
        monkeypatch.setenv("CONCH_HOME", said)
        assert conch_home() == meant


@pytest.mark.parametrize("said", [None, ""])
def test_without_it_the_platform_decides(
    monkeypatch: pytest.MonkeyPatch, home: Path, said: str | None
) -> None:
    monkeypatch.delenv("CONCH_HOME")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    if said is not None:
        monkeypatch.setenv("CONCH_HOME", said)
    assert conch_home() == home / ".local/share/conch"
