"""What a chat template may not do is refused in seconds, in a process that does not outlive the answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import MissingError, UsageError
from orchestrator.execute.project.template_sandbox import LARGEST, guard_template, read_template
from tests.children import living_children

ROOT = Path(__file__).parents[3]
# The promise is 5 s on a machine that does nothing else.
BOUND = 20.0
MANY = "{% for a in range(99999) %}{% for b in range(99999) %}"
BAD = {
    "syntax": ("你\n{% if %}", "mine.jinja:2", "is not valid jinja"),
    "unknown tag": ("{% frobnicate %}", "mine.jinja:1", "unknown tag"),
    "loop": (f"\n{MANY}{MANY}" + "{% endfor %}" * 4, "mine.jinja:2", "does not end"),
    "constant": ("{{ 'a' * 10**10 }}", "mine.jinja:1", "memory"),
    "repeats": ("\n{{ messages[0].role * 10**10 }}", "mine.jinja:2", "memory"),
    "joins": (
        "{% set n = namespace(s='a') %}\n{% for i in range(999) %}{% set n.s = n.s + n.s %}{% endfor %}",
        "mine.jinja:2",
        "memory",
    ),
    "prints": (MANY + "a" * 99 + "{% endfor %}" * 2, "mine.jinja", "renders more than"),
    "recursion": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "mine.jinja:1", "without end"),
    "nested": ("{{ " + "(" * 20000 + ")" * 20000 + " }}", "mine.jinja", "without end"),
    "class": ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "mine.jinja:1", "sandbox"),
    "silent": ("{{ ''.__class__ }}", "mine.jinja:1", "sandbox"),
    "globals": ("{{ cycler.__init__.__globals__.os.popen('id') }}", "mine.jinja:1", "sandbox"),
    "filter": ("{{ ''|attr('__class__') }}", "mine.jinja:1", "sandbox"),
    "format": ("{{ '{0.__class__}'.format(1) }}", "mine.jinja:1", "sandbox"),
    "changes": ("{{ messages.append(1) }}", "mine.jinja:1", "sandbox"),
}


@pytest.mark.parametrize("name", BAD)
def test_fault_074_a_template_that_must_not_run_is_refused_with_its_line(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    text, where, what = BAD[name]
    began = time.monotonic()
    with pytest.raises(UsageError) as refused:
        guard_template(text, "mine.jinja")
    seen = time.monotonic() - began
    record_property("seconds", seen)
    assert seen < BOUND, f"{name} took {seen:.1f} s"
    (problem,) = refused.value.problems
    assert problem.where == where
    assert what in problem.what
    assert problem.hint
    assert not living_children()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{{ raise_exception('no') }}",
        "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% continue %}{% endfor %}",
        "{{ messages | tojson(indent=2) }}{{ strftime_now('%Y') }}{{ nothing.of.it }}",
    ],
)
def test_what_transformers_lets_a_template_do_passes(text: str) -> None:
    guard_template(text, "mine.jinja")


def test_every_template_that_conch_ships_passes() -> None:
    shipped = sorted((ROOT / "chat_templates").glob("*.jinja"))
    assert shipped
    for path in shipped:
        guard_template(read_template(path), path.name)


def test_a_file_that_can_be_no_template_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.jinja"
    with pytest.raises(MissingError, match="no such chat template"):
        read_template(path)
    with pytest.raises(UsageError, match="folder"):
        read_template(tmp_path)
    path.write_bytes("你\n".encode() + b"\xff")
    with pytest.raises(UsageError, match=r"mine\.jinja:2 .*byte 5 .* not UTF-8"):
        read_template(path)
    path.write_bytes(b"a" * (LARGEST + 1))
    with pytest.raises(UsageError, match="larger than 1 MB"):
        read_template(path)
    path.write_text("{{ 你 }}", encoding="utf-8")
    assert read_template(path) == "{{ 你 }}"
