"""A training row in the terminal: colours where there are any, and marks that say the same without them.

⟦learnt⟧  ⟨thinking⟩  ■ the stop token  ~~taken by the cutoff~~  a|b two tokens
海² a character that two tokens make
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, TextIO

from orchestrator.html.spelling import spelled
from orchestrator.outside import visible

if TYPE_CHECKING:
    from rich.text import Text

    from orchestrator.execute.data.preview import Preview, PreviewedRow
    from orchestrator.templates.token_view import Token

_FALLBACK_SIZE = (100, 24)
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
LEGEND = "⟦learnt⟧ ⟨thinking⟩ ■ stop ~~lost to the cutoff~~ ␣ space ↵ line end a|b two tokens 海² made by two"


def preview_text(preview: Preview, out: TextIO | None = None) -> str:
    """All of a preview, as wide as the terminal; coloured where `out` (standard output) is one."""
    from rich.console import Console
    from rich.text import Text

    stream = sys.stdout if out is None else out
    page = io.StringIO()
    width = shutil.get_terminal_size(_FALLBACK_SIZE).columns
    console = Console(file=page, force_terminal=stream.isatty(), width=width, markup=False, highlight=False)
    console.print(Text(visible(_headline(preview))))
    for note in preview.notes:
        console.print(Text(visible(f"note           {note}"), style="yellow"))
    console.print(Text(LEGEND, style="dim"))
    for row in preview.rows:
        console.print()
        console.print(Text(visible(row_headline(row, preview.cutoff_len)), style="bold"))
        console.print(row_text(row.tokens, preview.cutoff_len))
    return page.getvalue().rstrip("\n")


def _headline(preview: Preview) -> str:
    settings = f"template {preview.template}, thinking {preview.thinking}, history {preview.history}"
    return f"{preview.recipe}: {settings}, cutoff {preview.cutoff_len} tokens, tokenizer of {preview.base}"


def row_headline(row: PreviewedRow, cutoff: int) -> str:
    """Where a row is, and what becomes of its tokens."""
    if row.dropped:
        return f"{row.where}  LLaMA-Factory drops this row: nothing of it is trained"
    lost = f", {row.whole - row.left} lost to the cutoff of {cutoff}" if row.left < row.whole else ""
    says = f"  {row.says}" if row.says else ""
    return f"{row.where}{says}  {row.whole} tokens, {row.trained} of them {row.effect}{lost}"


def row_text(tokens: Sequence[Token], cutoff: int) -> Text:
    """The tokens of a row, marked and coloured."""
    from rich.text import Text

    drawn = Text()
    for (left, trained), stretch in groupby(tokens, key=lambda token: (token.kept, token.trained)):
        lost = not left
        if lost:
            drawn.append(f"\n✂ {cutoff} tokens: what follows is lost\n", style="bold red")
        opens, closes = ("~~", "~~") if lost else ("⟦", "⟧") if trained else ("", "")
        drawn.append(opens, style="bold")
        for number, (thinking, one) in enumerate(groupby(stretch, key=lambda token: token.thinking)):
            if number:
                drawn.append("|", style="dim")
            style = _style(lost=lost, trained=trained, thinking=thinking)
            _append(drawn, list(one), style, thinking=thinking)
        drawn.append(closes, style="bold")
    return drawn


def _append(drawn: Text, tokens: Sequence[Token], style: str, *, thinking: bool) -> None:
    drawn.append("⟨" if thinking else "", style="bold")
    for number, (said, stops) in enumerate(_cells(tokens)):
        if number:
            drawn.append("|", style="dim")
        drawn.append(said, style=f"{style} bold reverse" if stops else style)
    drawn.append("⟩" if thinking else "", style="bold")


def _style(*, lost: bool, trained: bool, thinking: bool) -> str:
    if lost:
        return "red strike"
    if not trained:
        return "bright_black"
    return "magenta" if thinking else "green"


def _cells(tokens: Sequence[Token]) -> Iterator[tuple[str, bool]]:
    """(what is shown, whether it is a stop token); the tokens of one character stand together."""
    place = 0
    while place < len(tokens):
        token = tokens[place]
        said = visible(spelled(token.text)) + ("■" if token.stop else "")
        number, _, of = token.part.partition("/")
        together = number == "1" and place + int(of) <= len(tokens)
        if together:
            said += of.translate(_RAISED)
            place += int(of)
        else:
            said += f"({token.part})" if token.part else ""
            place += 1
        yield said, token.stop
