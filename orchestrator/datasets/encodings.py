"""Detects the encoding of a file by its beginning. Pure."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from orchestrator.datasets.base import FileProblem, RowProblem

UTF8 = "utf-8"
AS_UTF8 = "save it as UTF-8"
# UTF-32 comes first: its mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SHOWN = {"utf-16": "UTF-16", "utf-32": "UTF-32", "gb18030": "GBK (gb18030)", "big5": "Big5"}
LOOKED_AT = 1 << 16


def encoding_of(head: bytes) -> str:
    """The Python name of the encoding; "utf-8" also for UTF-8 text with a bad byte.

    Args:
        head: the first bytes of a file; they may end within a character.
    """
    marked = next((name for mark, name in MARKS if head.startswith(mark)), "")
    if marked or head.isascii():
        return marked or UTF8
    end = head.rfind(b"\n") + 1
    whole = head[:end] if end else head
    try:
        codecs.getincrementaldecoder(UTF8)().decode(whole)
    except UnicodeDecodeError:
        pass
    else:
        return UTF8
    text = whole.decode(UTF8, "replace")
    bad = text.count("\ufffd")
    if sum(char > "\u007f" for char in text) - bad >= bad:
        return UTF8
    return _chinese(whole)


def _chinese(whole: bytes) -> str:
    """gb18030 or Big5 if the bytes are either; else UTF-8, whose bad lines are refused later."""
    from charset_normalizer import from_bytes

    # Most Big5 text can be decoded as gb18030, too; the frequency of its characters decides.
    best = from_bytes(whole[:LOOKED_AT], cp_isolation=["gb18030", "big5"]).best()
    if best is not None and best.encoding == "big5":
        return "big5"
    try:
        codecs.getincrementaldecoder("gb18030")().decode(whole)
    except UnicodeDecodeError:
        return UTF8
    return "gb18030"


def refusal(encoding: str) -> RowProblem:
    """The problem of a file in another encoding."""
    hint = f"{AS_UTF8}, or add --fix to read it as {SHOWN[encoding]}"
    return FileProblem("encoding", f"the file is {SHOWN[encoding]}, not UTF-8", hint)


def as_utf8(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The text in UTF-8; undecodable bytes become U+FFFD, which the audit counts."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for chunk in chunks:
        yield decoder.decode(chunk).encode(UTF8, "replace")
    yield decoder.decode(b"", final=True).encode(UTF8, "replace")
