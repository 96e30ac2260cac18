"""Compiling a template as transformers does."""

from jinja2 import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment


def _compile_jinja_template(text: str) -> Template:
    def raise_exception(message: str) -> None:
        raise ValueError(message)

    world = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    world.globals["raise_exception"] = raise_exception
    return world.from_string(text)
