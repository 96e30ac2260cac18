"""Chat templates: programs that a user is given, rendered before anything else is done with them."""

from __future__ import annotations

import os
from collections.abc import Callable

from tests.faults.hostile import Hostile, Place, nothing, write

FILE = "mine.jinja"
PARITY = ("parity", "small", "--chat-template", FILE)
ESCAPE = "\x1b]0;owned\x07\x1b[31m"
OTHER = "reads another template"
LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}"


def template(name: str, text: bytes | str, *says: str, never: str = "") -> Hostile:
    """A template that is refused, with its file."""
    return Hostile(name, write(FILE, text), PARITY, 2, (FILE, *says), (never,) if never else ())


def made(make: Callable[[str], object]) -> Callable[[Place], object]:
    return lambda place: make(str(place.project / FILE))


CASES = (
    template("no jinja", "{% if %}", ":1", "is not valid jinja"),
    template("a tag that is left open", "{{ messages", ":1", "is not valid jinja"),
    template("bytes that are no text", b"{{ \xff\xfe }}", ":1", "is not UTF-8"),
    template("a template of 2 MB", "a" * (2 << 20), "larger than 1 MB"),
    template("an error with an escape", f"{{% {ESCAPE} %}}", "is not valid jinja"),
    template("an unknown tag that turns its direction", "{% \u202eetirw %}", "is not valid jinja"),
    template("a loop without end", LOOPS + "{% endfor %}" * 3, "does not end"),
    template("a macro of itself", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recurses without end"),
    template("20,000 brackets", "{{ " + "(" * 20_000 + ")" * 20_000 + " }}", "recurses without end"),
    template("a text of 10 GB", "{{ 'a' * 10 ** 10 }}", "of memory"),
    template("a list of 10 GB", "{{ ([0] * 10 ** 9) | length }}", "of memory"),
    template(
        "a prompt without end", "{% for a in range(99999) %}" + "a" * 99 + "{% endfor %}", "renders more"
    ),
    template("a class of all classes", "{{ ''.__class__.__mro__ }}", "leave its sandbox"),
    template("a builtin", "{{ cycler.__init__.__globals__.os.popen('touch owned') }}", "leave its sandbox"),
    template("an attribute by filter", "{{ ''|attr('__class__') }}", "leave its sandbox"),
    template("an attribute by format", "{{ '{0.__class__}'.format(1) }}", "leave its sandbox"),
    template("an attribute by map", "{{ ['']|map(attribute='__class__')|list }}", "sandbox"),
    template("a change of the conversation", "{{ messages.append(1) }}", "leave its sandbox"),
    template("another file included", "{% include '/etc/passwd' %}", ":1", OTHER, never="root:x"),
    template("another file inherited", "\n{% extends '/etc/passwd' %}", ":2", OTHER, never="root:x"),
    template("another file imported", "{% import '/etc/passwd' as p %}{{ p }}", OTHER, never="root:x"),
    template("a name imported from another", "{% from '/etc/passwd' import p %}", OTHER, never="root:x"),
    Hostile("no such template", nothing, PARITY, 3, (FILE, "no such chat template"), also_json=True),
    Hostile("a folder", made(os.mkdir), PARITY, 2, (FILE, "is a folder"), also_json=True),
    Hostile("a pipe that nobody writes to", made(os.mkfifo), PARITY, 2, (FILE,)),
    Hostile("a device without end", nothing, (*PARITY[:-1], "/dev/zero"), 2, ("/dev/zero",)),
    Hostile("memory", nothing, (*PARITY[:-1], "/proc/self/mem"), 2, ("/proc/self/mem",)),
)
