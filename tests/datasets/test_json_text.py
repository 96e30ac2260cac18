"""Broken lines are read where there is one way to read them; a cut text is never completed."""

from __future__ import annotations

import pytest

from orchestrator.datasets.json_text import repaired


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ('{"a": "一",}', {"a": "一"}),
        ('{"a": ["一", "二",],},', {"a": ["一", "二"]}),
        ("{'a': '他说\"好\"', 'b': None, 'c': True}", {"a": '他说"好"', "b": None, "c": True}),
        ('{"a": "http://例子,}", "b": 1} // 说明', {"a": "http://例子,}", "b": 1}),
        ('{"a": 1, /* 说明 */ "b": 2}', {"a": 1, "b": 2}),
        ('{"a": "一\t二"}', {"a": "一\t二"}),
        ('{"a": "一', None),
        ("{'a': '一", None),
        ('{"a": NaN}', None),
        ('{"a": 1, "a": 2,}', None),
        ("{'a': 1, 'a': 2}", None),
        (r"{'a': '\d'}", {"a": r"\d"}),
        ("{'a': {1, 2}}", None),
        ("{'a': 1}.update()", None),
        ("['a']", None),
        ("(" * 5000, None),
    ],
)
def test_a_line_is_read_as_it_was_meant(line: str, row: object) -> None:
    assert repaired(line.encode()) == row


def test_other_bytes_are_left_alone() -> None:
    assert repaired('{"a": "蟹堡",}'.encode("gb18030")) is None
    assert repaired(b'{"a": "' + b"a" * (1 << 20) + b'",}') is None
