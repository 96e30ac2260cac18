"""A picture that is drawn over itself on a plain terminal: no alternate screen, nothing to be undone.

The cursor rests on the line below the picture, so that whatever is written there, `^C` or a shell's prompt,
stands below it. Only lines that changed are written. Not covered: lines that somebody types meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from orchestrator.cli.text.terminal import columns, emit, uncoloured


class Screen:
    """Draws on one stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._size = (0, 0)

    def draw(self, lines: Sequence[str], width: int, height: int) -> None:
        """Show these lines, each narrower than the terminal, fewer than it is high."""
        if self._lines and self._size != (width, height):
            self._wipe(width, height)
        text = _difference(self._lines, lines)
        self._lines, self._size = list(lines), (width, height)
        if text:
            emit(text, self._stream)

    def forget(self) -> None:
        """Draw the next picture below what stands there: somebody else wrote to the terminal."""
        self._lines = []

    def leave(self) -> None:
        """Clear the line on which the cursor rests: a terminal has written ^C there."""
        emit("\r\x1b[2K", self._stream)

    def _wipe(self, width: int, height: int) -> None:
        """Take the picture away after a resize: its lines were folded to the new width by the terminal."""
        rows = sum(max(1, -(-columns(uncoloured(line)) // width)) for line in self._lines)
        emit(f"\r\x1b[{min(rows, height - 1)}A\x1b[J", self._stream)
        self._lines = []


def _difference(old: Sequence[str], new: Sequence[str]) -> str:
    r"""What turns one picture into the other, the cursor below it before and after.

    >>> _difference(["a", "b", "c"], ["a", "x", "c"])
    '\x1b[2A\r\x1b[2Kx\n\x1b[1B'
    """
    common = min(len(old), len(new))
    changed = [number for number in range(common) if old[number] != new[number]]
    if not changed and len(old) == len(new):
        return ""
    first = changed[0] if changed else common
    last = len(new) if len(old) != len(new) else changed[-1] + 1
    up, down = len(old) - first, len(new) - last
    parts = [f"\x1b[{up}A\r" if up else ""]
    for number in range(first, last):
        same = number < common and old[number] == new[number]
        parts.append("\n" if same else f"\x1b[2K{new[number]}\n")
    if len(old) > len(new):
        parts.append("\x1b[J")
    return "".join(parts) + (f"\x1b[{down}B" if down else "")
