"""The encoding of a file is told by its beginning, and a bad byte does not make UTF-8 something else."""

from __future__ import annotations

import codecs

import pytest

from orchestrator.datasets.encodings import as_utf8, encoding_of

TEXT = '{"问题": "高血压患者平时应该注意什么？", "答案": "少盐，多运动，按时吃药，定期测量血压。"}\n' * 30
TAIWAN = '{"問題": "高血壓患者平時應該注意什麼？", "答案": "少鹽，多運動，按時吃藥，定期測量血壓。"}\n' * 30


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8"),
        (TEXT.encode()[:-3], "utf-8"),
        (b'{"a": 1}\n', "utf-8"),
        (TEXT.encode("gb18030"), "gb18030"),
        (TAIWAN.encode("big5"), "big5"),
        (TEXT.encode("utf-16"), "utf-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16"),
        (TEXT.encode("utf-32"), "utf-32"),
        (TEXT.encode() + b'{"a": "\xff"}\n', "utf-8"),
        ('{"a": "一句'.encode() + b'\xff"}\n', "utf-8"),
    ],
)
def test_the_beginning_says_the_encoding(head: bytes, encoding: str) -> None:
    assert encoding_of(head) == encoding


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-32"])
@pytest.mark.parametrize("size", [1, 3, 4096])
def test_text_in_any_encoding_and_pieces_becomes_the_same_lines(encoding: str, size: int) -> None:
    data = TEXT[:200].encode(encoding)
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    assert b"".join(as_utf8(pieces, encoding)).decode() == TEXT[:200]
