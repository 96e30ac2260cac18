"""Renders a page: a template of this folder with escaped values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from orchestrator.html.drawing import Bar, bars, place_of
from orchestrator.html.spelling import shown, spelled

if TYPE_CHECKING:
    from jinja2 import Environment


def page(name: str, title: str, values: Mapping[str, Any]) -> str:
    """The text of a page.

    Args:
        name: of its template, without .html.
        title: the heading and the browser title.
        values: the names that the template uses; an unknown name is an error.
    """
    return _templates().get_template(f"{name}.html").render(title=title, **values)


@cache
def _templates() -> Environment:
    """The templates of this package."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: Any) -> Any:
        """Escape control and direction characters in every value."""
        return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    templates = Environment(
        loader=PackageLoader("orchestrator", "html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(spelled=spelled, number=number, share=share, bars=_bars, place=_place)
    return templates


def number(value: float) -> str:
    """A count with thousands separators.

    >>> number(226043)
    '226,043'
    """
    return f"{value:,.0f}"


def share(part: float, of: float) -> str:
    """A part in per cent, with more digits if it is small.

    >>> share(1, 3), share(1, 1000), share(0, 0)
    ('33 %', '0.1 %', '0 %')
    """
    percent = 100 * part / of if of else 0
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.2g} %"  # noqa: PLR2004


def _bins(histogram: list[Mapping[str, int]]) -> list[tuple[int, int, int]]:
    return [(each["from"], each["to"], each["count"]) for each in histogram]


def _bars(histogram: list[Mapping[str, int]]) -> list[Bar]:
    return bars(_bins(histogram))


def _place(histogram: list[Mapping[str, int]], value: int | None) -> float | None:
    return None if value is None else place_of(value, _bins(histogram))
