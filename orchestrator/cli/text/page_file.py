"""--out FILE.html and --open: write the result of a verb as an HTML page too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from orchestrator.cli.verb import progress

HTML = ".html"


def check_page(out: Path | None, *, opened: bool) -> None:
    """Check --out and --open before any work.

    Raises:
        click.UsageError: --open without --out, or --out does not end in .html.
    """
    if out is None:
        if opened:
            raise click.UsageError("--open needs --out FILE.html")
    elif out.suffix.lower() != HTML or out.is_dir():
        raise click.UsageError(f"--out {out}: the file name must end in {HTML}")


def write_page(out: Path, name: str, title: str, values: Mapping[str, object], *, opened: bool) -> None:
    """Write a page atomically and print its path."""
    from orchestrator.execute.host.atomic_files import write_durable
    from orchestrator.html.layout import page

    write_durable(out, page(name, title, values))
    progress(f"wrote {out}")
    if opened:
        open_page(out)


def open_page(page: Path) -> None:
    """Open a page in the browser; without one, print which file to open elsewhere."""
    import webbrowser

    if not webbrowser.open(page.absolute().as_uri()):
        progress(f"no browser is available here; open {page} on a machine that has one")
