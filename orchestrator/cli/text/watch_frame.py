"""The picture of a run: pure, from a snapshot and the size of a terminal to its lines.

No line is as wide as the terminal, and the picture is lower than it by a line: nothing wraps or scrolls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from orchestrator.cli.text.live import sparkline
from orchestrator.cli.text.terminal import columns, cut, one_line, visible

if TYPE_CHECKING:
    from orchestrator.execute.reporting.watch import Snapshot, WatchedStage

Span = tuple[str, str]
Line = tuple[Span, ...]

_MARKS = {
    "done": ("✓", "good"),
    "skipped": ("✓", "faint"),
    "running": ("▸", "strong"),
    "refuted": ("✗", "bad"),
    "failed": ("✗", "bad"),
    "interrupted": ("!", "warn"),
    "stopped": ("!", "warn"),
    "waiting": ("·", "faint"),
}
_SGR = {"good": "32", "bad": "31", "warn": "33", "strong": "1", "faint": "2", "accent": "36", "": ""}
_STANDING = {"running": "accent", "done": "good", "refuted": "bad", "failed": "bad"}
_LABEL = 12
_BAR, _LEAST_BAR = 48, 6
_LEAST_LOG = 3
_REASON_LINES = 3


def frame(snapshot: Snapshot, width: int, height: int, *, colour: bool = False) -> list[str]:
    """The picture.

    Args:
        snapshot: what is drawn.
        width: of the terminal, in columns.
        height: of the terminal, in lines.
        colour: with SGR escapes; else without any.

    Returns:
        at most height - 1 lines of at most width - 1 columns.
    """
    usable, room = max(1, width - 1), max(1, height - 1)
    head = _head(snapshot, usable)
    numbers = list(_numbers(snapshot, usable))
    stages = list(_stages(snapshot.stages, usable))
    log = list(_log(snapshot, usable))
    blanks = [()] if room > len(head) + len(numbers) + len(stages) + _LEAST_LOG else []
    if len(head) + len(numbers) + len(stages) + 2 * len(blanks) + _LEAST_LOG > room:
        head, stages = [*head, *_one_stage(snapshot.stages)], []
    top = [*head, *(blanks if numbers else []), *numbers, *(blanks if stages else []), *stages]
    left = room - len(top)
    lines = top + ([log[0], *log[1:][-(left - 1) :]] if log and left > 1 else [])
    return [_drawn(line, usable, colour=colour) for line in lines[:room]]


def change(snapshot: Snapshot) -> tuple[object, ...]:
    """What a reader of lines is told of: while this is the same, there is nothing new to say."""
    step = snapshot.step
    stages = tuple((stage.name, stage.status) for stage in snapshot.stages)
    return (snapshot.standing, stages, step and (step.step, step.loss), snapshot.validation)


def told(snapshot: Snapshot) -> str:
    """The snapshot as one line, for a pipe."""
    parts = [snapshot.standing]
    if stage := snapshot.current:
        names = [one.name for one in snapshot.stages]
        parts.append(f"[{names.index(stage.name) + 1}/{len(names)}] {stage.name}")
        if stage.name == "train" and snapshot.step:
            parts += [f"{label} {value}" for label, value, _ in _training(snapshot)]
        parts.append(f"memory {_gb(snapshot.memory_gb)}")
    if snapshot.over:
        parts += [ending(snapshot)]
    return "  ".join(one_line(part) for part in parts if part)


def ending(snapshot: Snapshot) -> str:
    """How a run ended, in words; "" of one that goes on."""
    if not snapshot.over:
        return ""
    code = f" with exit code {snapshot.exit_code}" if snapshot.exit_code is not None else ""
    reason = f": {one_line(snapshot.reason)}" if snapshot.reason else ""
    return f"{snapshot.run}: {snapshot.standing}{code}{reason}"


def clock(seconds: float) -> str:
    """Seconds as a person reads them.

    >>> [clock(8.24), clock(192), clock(7384)]
    ['8s', '3:12', '2:03:04']
    """
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004  a minute
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _gb(value: float) -> str:
    return f"{value:.1f} GB" if value >= 1 else f"{value * 1000:.0f} MB"


def _head(snapshot: Snapshot, width: int) -> list[Line]:
    state = f"{snapshot.standing} {clock(snapshot.seconds)}"
    if snapshot.exit_code:
        state += f" (exit {snapshot.exit_code})"
    name = cut(one_line(snapshot.run), max(1, width - columns(state) - 2))
    first: Line = ((name, "strong"), ("  ", ""), (state, _STANDING.get(snapshot.standing, "warn")))
    lines = [first, ((one_line(snapshot.headline), "faint"),)]
    reasons = _folded(one_line(snapshot.reason), width)[:_REASON_LINES] if snapshot.reason else []
    return lines + [((part, "bad"),) for part in reasons]


def _numbers(snapshot: Snapshot, width: int) -> Iterator[Line]:
    if snapshot.step:
        yield from _bar(snapshot.step.step, snapshot.step.total, width)
    for label, value, curve in _training(snapshot):
        if label != "step":
            room = max(0, width - _LABEL - len(value) - 2)
            yield ((label.ljust(_LABEL), "faint"), (value, ""), ("  ", ""), (_curve(curve, room), "accent"))
    if snapshot.memory_gb:
        many = "" if snapshot.processes == 1 else "es"
        value = f"{_gb(snapshot.memory_gb)} of {_gb(snapshot.memory_total_gb)}"
        yield (
            ("memory".ljust(_LABEL), "faint"),
            (value, ""),
            (f"  {snapshot.processes} process{many}", "faint"),
        )
    for number, one in enumerate(snapshot.gpus):
        label = f"gpu {number}" if len(snapshot.gpus) > 1 else "gpu"
        value = f"{one.used_mib / 1024:.1f} of {one.total_mib / 1024:.1f} GiB"
        busy = f"  {one.percent}%" if one.percent >= 0 else ""
        mine = f"  this run {snapshot.gpu_mib / 1024:.1f}" if snapshot.gpu_mib and not number else ""
        yield ((label.ljust(_LABEL), "faint"), (value + busy + mine, ""), (f"  {visible(one.name)}", "faint"))


def _training(snapshot: Snapshot) -> Iterator[tuple[str, str, Sequence[float]]]:
    """(label, value, course) of what the trainer says; in the order in which one asks for it."""
    step = snapshot.step
    if step is None:
        return
    yield "step", f"{step.step}/{step.total}", ()
    if snapshot.left is not None:
        whole = f", whole run {clock(snapshot.whole_left)}" if snapshot.whole_left is not None else ""
        yield "left", clock(snapshot.left) + whole, ()
    if step.loss is not None:
        yield "loss", f"{step.loss:.4f}", snapshot.losses
    if snapshot.validation is not None:
        lowest = snapshot.lowest_validation
        risen = f", lowest {lowest:.4f}" if lowest is not None and lowest < snapshot.validation else ""
        yield "validation", f"{snapshot.validation:.4f}{risen}", snapshot.validations
    if step.learning_rate is not None:
        yield "rate", f"{step.learning_rate:.1e}", ()


def _bar(step: int, total: int, width: int) -> Iterator[Line]:
    count = f"{step}/{total}"
    long = min(_BAR, width - len(count) - 6)
    if total <= 0 or long < _LEAST_BAR:
        yield ((count, ""),)
        return
    share = max(0.0, min(1.0, step / total))
    full = round(long * share)
    yield (
        ("█" * full, "good"),
        ("·" * (long - full), "faint"),
        (f" {count} {share:4.0%}", ""),
    )


def _curve(values: Sequence[float], width: int) -> str:
    from orchestrator.execute.reporting.watch import thinned

    return sparkline(list(thinned(values, width))) if width and len(values) > 1 else ""


def _stages(stages: Sequence[WatchedStage], width: int) -> Iterator[Line]:
    """The stages in columns, row by row, each with its mark and its time."""
    cells = [_cell(stage) for stage in stages]
    wide = max((sum(columns(text) for text, _ in cell) for cell in cells), default=0) + 2
    across = max(1, (width + 2) // wide)
    for begin in range(0, len(cells), across):
        row: list[Span] = []
        for cell in cells[begin : begin + across]:
            row += [*cell, (" " * (wide - sum(columns(text) for text, _ in cell)), "")]
        yield tuple(row)


def _cell(stage: WatchedStage) -> Line:
    mark, style = _MARKS.get(stage.status, ("?", ""))
    took = f" {clock(stage.seconds)}" if stage.seconds >= 0.5 else ""  # noqa: PLR2004  else it would say 0s
    name = "strong" if stage.status == "running" else "faint" if stage.status == "waiting" else ""
    return ((f"{mark} ", style), (one_line(stage.name), name), (took, "faint"))


def _one_stage(stages: Sequence[WatchedStage]) -> Iterator[Line]:
    """The stage that tells most, where there is no room for all."""
    over = [number for number, stage in enumerate(stages) if stage.status != "waiting"]
    running = [number for number in over if stages[number].status == "running"]
    for number in (running or over)[-1:]:
        yield (*_cell(stages[number]), (f"  stage {number + 1} of {len(stages)}", "faint"))


def _log(snapshot: Snapshot, width: int) -> Iterator[Line]:
    if not snapshot.lines:
        return
    title = f"── {cut(one_line(snapshot.log), max(1, width - 8))}.log "
    yield ((title + "─" * max(0, width - columns(title)), "faint"),)
    yield from (((visible(line).expandtabs(4), ""),) for line in snapshot.lines)


def _folded(text: str, width: int) -> list[str]:
    lines = [""]
    for character in text:
        if columns(lines[-1] + character) > width:
            lines.append("")
        lines[-1] += character
    return lines


def _drawn(line: Line, width: int, *, colour: bool) -> str:
    """The spans as text, cut to the width; trailing blanks are no part of it."""
    parts, left = [], width
    for text, style in line:
        shown = cut(text, left)
        left -= columns(shown)
        code = _SGR[style] if colour and shown.strip() else ""
        parts.append(f"\x1b[{code}m{shown}\x1b[0m" if code else shown)
        if left <= 0:
            break
    return "".join(parts).rstrip(" ")
