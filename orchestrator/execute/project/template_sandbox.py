"""A chat template is a program: whether it is one, ends, and stays within its sandbox, before an engine runs.

The template is rendered over a handful of conversations in a child of our own Python, with jinja2's
ImmutableSandboxedEnvironment set up as transformers 5 does it (utils/chat_template_utils.py,
_cached_compile_jinja_template), and with limits on memory, processor time, wall time and output. A template
that refuses a conversation by raise_exception is in its right, and one that fails on a conversation is
refuted by the comparison, which has the place. Not covered: one that goes wrong only on texts that are not
here.
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
from typing import Any

from orchestrator.errors import MissingError, Problem, UsageError

LARGEST = 1 << 20
LONGEST_PROMPT = 1 << 20
MEMORY = 512 << 20
PROCESSOR_SECONDS = 1
# Processor time ends a loop; this only ends what waits, and a machine that is busy must not end a sound one.
WALL_SECONDS = 20.0
HINT = "fix the template"
ENDLESS = f"does not end: {PROCESSOR_SECONDS} s of processor time were not enough"
TOO_LONG = f"prints more than {LONGEST_PROMPT >> 20} MB for a conversation of a few lines"
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
    """The text of a jinja file that can be a template at all.

    Raises:
        MissingError: it is not there. UsageError: a folder, too large, or not UTF-8.
    """
    try:
        if path.is_dir():
            raise UsageError(Problem("it is a folder, not a chat template", str(path), "name the jinja file"))
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise MissingError(Problem("no chat template there", str(path), "check the name")) from None
    except OSError as error:
        raise UsageError(Problem(f"cannot read the chat template: {error.strerror}", str(path))) from None
    if len(data) > LARGEST:
        what = f"larger than {LARGEST >> 20} MB: no chat template is"
        raise UsageError(Problem(what, str(path), "name the jinja file"))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte {error.start + 1} of the chat template is not UTF-8"
        raise UsageError(Problem(what, f"{path}:{line}", "save it as UTF-8")) from None


def guard_template(text: str, name: str) -> None:
    """Refuse a chat template that is no jinja, never ends, prints without end or leaves its sandbox.

    Args:
        text: the jinja.
        name: the file as people know it, for the message.

    Raises:
        UsageError: with the file, the line where there is one, and what is wrong.
    """
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
    told = child.stdout.decode("utf-8", "replace")
    if child.returncode == UsageError.exit_code and told:
        found = json.loads(told)
        where = f"{name}:{found['line']}" if found["line"] else name
        raise UsageError(Problem(found["what"], where, found["hint"]))
    raise UsageError(_killed(child.returncode, name))


class _EndlessError(Exception):
    """The processor time is used up, or the output is too long."""


def _killed(code: int, name: str) -> Problem:
    if code in {-signal.SIGXCPU, -signal.SIGKILL}:
        return Problem(f"the chat template {ENDLESS}", name, "fix its loop")
    return Problem(f"the chat template brings the template engine down (exit code {code})", name, HINT)


def compile_template(text: str) -> Any:
    """The template, compiled as transformers 5 does."""
    import jinja2
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Strict(ImmutableSandboxedEnvironment):
        """Says at once what the sandbox would make an undefined value of."""

        def unsafe_undefined(self, obj: Any, attribute: str) -> jinja2.Undefined:
            if attribute.startswith("_"):
                raise SecurityError(f"it reaches for {attribute} of a value")
            return super().unsafe_undefined(obj, attribute)

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    def tojson(value: Any, ensure_ascii: bool = False, **how: Any) -> str:  # noqa: FBT001, FBT002 - its shape
        return json.dumps(value, ensure_ascii=ensure_ascii, **how)

    environment = Strict(
        trim_blocks=True, lstrip_blocks=True, extensions=[_generation(), "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = time.strftime
    return environment.from_string(text)


def _generation() -> type[Any]:
    """The extension that knows {% generation %}, which only marks what the model wrote."""
    from jinja2.ext import Extension
    from jinja2.nodes import Node
    from jinja2.parser import Parser

    class Generation(Extension):
        tags = {"generation"}  # noqa: RUF012 - jinja2's own declaration

        def parse(self, parser: Parser) -> list[Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    return Generation


def examine(text: str) -> Mapping[str, Any] | None:
    """What is wrong with a template: {"what", "line", "fix"}; None for nothing."""
    try:
        template = compile_template(text)
        for values in _contexts():
            _render(template, values)
    except Exception as error:  # noqa: BLE001 - whatever the compiler raises
        return _told(error)
    return None


def _render(template: Any, values: Mapping[str, Any]) -> None:
    """Raise what no template may do; one that fails on a conversation is the comparison's matter."""
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


def _told(error: Exception) -> Mapping[str, Any]:
    from jinja2.exceptions import SecurityError, TemplateSyntaxError

    line = _line(error)
    if isinstance(error, SecurityError):
        what, hint = f"tries to leave its sandbox: {error}", "do not use this template; take one you trust"
    elif isinstance(error, MemoryError):
        what, hint = f"wants more than {MEMORY >> 20} MB of memory", "fix what it repeats or joins"
    elif isinstance(error, RecursionError):
        what, hint = "calls itself, or is nested, without end", HINT
    elif isinstance(error, _EndlessError):
        what, hint = str(error), "fix its loop"
    else:
        line = error.lineno if isinstance(error, TemplateSyntaxError) else line
        message = error.message if isinstance(error, TemplateSyntaxError) else error
        what, hint = f"is not jinja: {message}", HINT
    return {"what": f"the chat template {what}", "line": line, "hint": hint}


def _contexts() -> Iterator[dict[str, Any]]:
    for messages in CONVERSATIONS:
        for switches in SWITCHES:
            yield {
                "messages": messages,
                "tools": None,
                "documents": None,
                "add_generation_prompt": True,
                **_SPECIAL,
                **switches,
            }


def _line(error: BaseException) -> int:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return (frames[-1].lineno or 0) if frames else 0


def _out_of_time(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the handler's shape
    raise _EndlessError(ENDLESS)


def main() -> int:
    """In the child: a template from standard input, what is wrong with it as JSON on standard output."""
    text = sys.stdin.buffer.read().decode("utf-8", "surrogatepass")
    import jinja2.sandbox  # noqa: F401 - before the limits

    seconds = int(time.process_time()) + 1 + PROCESSOR_SECONDS
    signal.signal(signal.SIGXCPU, _out_of_time)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 2))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    found = examine(text)
    if found:
        sys.stdout.write(json.dumps(found))
    return UsageError.exit_code if found else 0


if __name__ == "__main__":
    sys.exit(main())
