"""Check that a chat template is valid, terminates and stays in its sandbox, before an engine renders it.

A chat template is a program. It is rendered for a few conversations in a child of Conch's own Python, with
jinja2's ImmutableSandboxedEnvironment set up as in transformers 5 (utils/chat_template_utils.py,
_cached_compile_jinja_template), and with limits on memory, processor time, wall time and output. A template
may reject a conversation with raise_exception; the token comparison finds one that fails on a conversation.
Not covered: templates that misbehave only on other texts.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypedDict

from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.host.atomic_files import open_regular

if TYPE_CHECKING:
    import jinja2
    from jinja2 import Template
    from jinja2.ext import Extension

LARGEST = 1 << 20
LONGEST_PROMPT = 1 << 20
MEMORY = 512 << 20
PROCESSOR_SECONDS = 1
# The processor time limit stops loops. This one only stops waiting, and must not stop a template on a busy
# machine.
WALL_SECONDS = 20.0
HINT = "fix the template"
ENDLESS = f"does not end within {PROCESSOR_SECONDS} s of processor time"
TOO_LONG = f"renders more than {LONGEST_PROMPT >> 20} MB for a short conversation"
_ROOT = Path(__file__).parents[3]
_SPECIAL = {name: f"<{name}>" for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
_ASK, _SYSTEM = {"role": "user", "content": "你是谁？"}, {"role": "system", "content": "只用一句话回答。"}
_ANSWER = {"role": "assistant", "content": "我是神奇海螺。"}
_THOUGHT = {"role": "assistant", "content": "<think>\n想一想\n</think>\n\n我是神奇海螺。"}
_REASONED = {"role": "assistant", "content": "我是海螺。", "reasoning": "想", "reasoning_content": "想"}
CONVERSATIONS: tuple[list[dict[str, str]], ...] = (
    [_ASK],
    [_SYSTEM, _ASK],
    [_ASK, _ANSWER, _ASK],
    [_SYSTEM, _ASK, _THOUGHT, _ASK, _REASONED, _ASK, _ANSWER, _ASK],
)
SWITCHES: tuple[dict[str, bool], ...] = ({}, {"enable_thinking": False}, {"enable_thinking": True})


def read_template(path: Path) -> str:
    """The text of a jinja file."""
    try:
        if path.is_dir():
            raise UsageError(Problem("is a folder, not a chat template", str(path), "name the jinja file"))
        with open_regular(path) as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise MissingError(Problem("no such chat template", str(path), "check the name")) from None
    except OSError as error:
        raise UsageError(Problem(f"cannot read the chat template: {error.strerror}", str(path))) from None
    if len(data) > LARGEST:
        what = f"larger than {LARGEST >> 20} MB: not a chat template"
        raise UsageError(Problem(what, str(path), "name the jinja file"))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte {error.start + 1} of the chat template is not UTF-8"
        raise UsageError(Problem(what, f"{path}:{line}", "save it as UTF-8")) from None


def guard_template(text: str, name: str) -> None:
    """Raise UsageError, with the line, if a template is invalid, does not end or leaves its sandbox."""
    try:
        child = subprocess.run(
            [sys.executable, "-m", __name__],
            input=text.encode("utf-8", "surrogatepass"),
            capture_output=True,
            timeout=WALL_SECONDS,
            cwd="/",
            env={"PYTHONPATH": str(_ROOT), "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        what = f"the chat template does not end within {WALL_SECONDS:g} s"
        raise UsageError(Problem(what, name, "fix its loop")) from None
    if child.returncode == 0:
        return
    output = child.stdout.decode("utf-8", "replace")
    if child.returncode == UsageError.exit_code and output:
        fault: Fault = json.loads(output)
        where = f"{name}:{fault['line']}" if fault["line"] else name
        raise UsageError(Problem(fault["what"], where, fault["hint"]))
    if child.returncode in {-signal.SIGXCPU, -signal.SIGKILL}:
        raise UsageError(Problem(f"the chat template {ENDLESS}", name, "fix its loop"))
    what = f"the chat template crashes the template engine (exit code {child.returncode})"
    raise UsageError(Problem(what, name, HINT))


class Fault(TypedDict):
    """What is wrong with a template; line 0 if unknown."""

    what: str
    line: int
    hint: str


class _EndlessError(Exception):
    """The processor time is used up, or the output is too long."""


def compile_template(text: str) -> Template:
    """The template, compiled as in transformers 5."""
    import jinja2
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Strict(ImmutableSandboxedEnvironment):
        """Raises where the sandbox would return an undefined value."""

        def unsafe_undefined(self, obj: object, attribute: str) -> jinja2.Undefined:
            if attribute.startswith("_"):
                raise SecurityError(f"it accesses the attribute {attribute}")
            return super().unsafe_undefined(obj, attribute)

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    def tojson(value: object, ensure_ascii: bool = False, **options: Any) -> str:  # noqa: FBT001, FBT002
        return json.dumps(value, ensure_ascii=ensure_ascii, **options)

    environment = Strict(
        trim_blocks=True, lstrip_blocks=True, extensions=[_generation(), "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = time.strftime
    return environment.from_string(text)


def _generation() -> type[Extension]:
    """The extension for {% generation %}, which only marks the model's part."""
    from jinja2.ext import Extension
    from jinja2.nodes import Node
    from jinja2.parser import Parser

    class Generation(Extension):
        tags = {"generation"}  # noqa: RUF012 - jinja2's own declaration

        def parse(self, parser: Parser) -> list[Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    return Generation


def examine(text: str) -> Fault | None:
    """What is wrong with a template; None if nothing."""
    try:
        template = compile_template(text)
        if other := _reference(template.environment.parse(text)):
            what = "the chat template reads another template, which the engines do not load"
            return {"what": what, "line": other.lineno, "hint": "put its text in here"}
        for values in _contexts():
            _render(template, values)
    except Exception as error:  # noqa: BLE001 - any error of the compiler
        return _fault_of(error)
    return None


def _reference(tree: jinja2.nodes.Template) -> jinja2.nodes.Node | None:
    from jinja2 import nodes

    found = tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends))
    return next(iter(found), None)


def _render(template: Template, values: Mapping[str, object]) -> None:
    """Raise for what no template may do; ignore one that fails on a conversation."""
    from jinja2.exceptions import SecurityError

    length = 0
    try:
        for piece in template.generate(**values):
            length += len(piece)
            if length > LONGEST_PROMPT:
                break
    except (SecurityError, MemoryError, RecursionError, _EndlessError):
        raise
    except Exception:  # noqa: BLE001
        return
    if length > LONGEST_PROMPT:
        raise _EndlessError(TOO_LONG)


def _fault_of(error: Exception) -> Fault:
    from jinja2.exceptions import SecurityError, TemplateSyntaxError

    line = _line(error)
    if isinstance(error, SecurityError):
        what, hint = f"tries to leave its sandbox: {error}", "use a template that you trust"
    elif isinstance(error, MemoryError):
        what, hint = f"needs more than {MEMORY >> 20} MB of memory", "fix what it repeats or joins"
    elif isinstance(error, RecursionError):
        what, hint = "recurses without end", HINT
    elif isinstance(error, _EndlessError):
        what, hint = str(error), "fix its loop"
    else:
        line = error.lineno if isinstance(error, TemplateSyntaxError) else line
        message = error.message if isinstance(error, TemplateSyntaxError) else error
        what, hint = f"is not valid jinja: {message}", HINT
    return {"what": f"the chat template {what}", "line": line, "hint": hint}


def _contexts() -> Iterator[dict[str, object]]:
    for messages in CONVERSATIONS:
        for switches in SWITCHES:
            values = {"messages": messages, "tools": None, "documents": None, "add_generation_prompt": True}
            yield {**values, **_SPECIAL, **switches}


def _line(error: BaseException) -> int:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return (frames[-1].lineno or 0) if frames else 0


def _out_of_time(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the handler's shape
    raise _EndlessError(ENDLESS)


def main() -> int:
    """In the child: read a template from standard input, write its fault as JSON to standard output."""
    text = sys.stdin.buffer.read().decode("utf-8", "surrogatepass")
    import jinja2.sandbox  # noqa: F401 - before the limits

    seconds = int(time.process_time()) + 1 + PROCESSOR_SECONDS
    signal.signal(signal.SIGXCPU, _out_of_time)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 2))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    fault = examine(text)
    if fault:
        sys.stdout.write(json.dumps(fault))
    return UsageError.exit_code if fault else 0


if __name__ == "__main__":
    sys.exit(main())
