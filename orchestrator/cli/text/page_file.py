"""--out FILE.html and --open: a page beside what a verb says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from orchestrator.cli.verb import progress

HTML = ".html"


def check_page(out: Path | None, *, opened: bool) -> None:
    """Refuse, before any work, a page that has no name or another file's.

    Raises:
        click.UsageError: --open without --out, or a name that is not a page's.
    """
    if out is None:
        if opened:
            raise click.UsageError("--open needs --out FILE.html")
    elif out.suffix.lower() != HTML or out.is_dir():
        raise click.UsageError(f"--out {out}: name a file that ends in {HTML}")


def write_page(out: Path, name: str, title: str, values: Mapping[str, Any], *, opened: bool) -> None:
    """Write a page whole or not at all, and say where it is."""
    from orchestrator.execute.host.atomic_files import write_durable
    from orchestrator.html.layout import page

    write_durable(out, page(name, title, values))
    progress(f"wrote {out}")
    if opened:
        open_page(out)


def open_page(page: Path) -> None:
    """Show a page in the browser; where there is none, say which file to open elsewhere."""
    from orchestrator.execute.reporting.screen import has_screen

    if not has_screen() or click.launch(str(page)) != 0:
        progress(f"no browser can be shown from here; open {page} where there is one")
