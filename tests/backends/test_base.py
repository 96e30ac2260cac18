"""Settings as YAML: their order, their types and their Chinese stay."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.backends.base import yaml_text

_VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_SETTINGS = st.dictionaries(st.text(), _VALUES | st.lists(_VALUES) | st.dictionaries(st.text(), _VALUES))


@given(_SETTINGS)
def test_what_is_written_is_read(settings: dict[str, Any]) -> None:
    read = yaml.safe_load(yaml_text(settings))
    assert read == settings
    assert list(read) == list(settings)


def test_chinese_is_as_it_is() -> None:
    assert yaml_text({"问": "神奇海螺", "off": "on"}) == "问: 神奇海螺\n'off': 'on'\n"
