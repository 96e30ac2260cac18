"""The picture of a run: from a snapshot and the size of a terminal to styled lines. Pure.

No line is as wide as the terminal, and there is a line less than it has: nothing wraps or scrolls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from orchestrator.cli.text.live import sparkline
from orchestrator.cli.text.terminal import columns, cut
from orchestrator.evaluation.trainer_metrics import HELD_OUT, KNOWN
from orchestrator.outside import one_line, visible

if TYPE_CHECKING:
    from orchestrator.execute.reporting.watch import Snapshot, WatchedStage

_MARKS = {
    "done": ("✓", "green"),
    "skipped": ("✓", "dim"),
    "running": ("▸", "bold"),
    "refuted": ("✗", "red"),
    "failed": ("✗", "red"),
    "interrupted": ("!", "yellow"),
    "stopped": ("!", "yellow"),
    "waiting": ("·", "dim"),
}
_STANDING = {"running": "cyan", "done": "green", "refuted": "red", "failed": "red"}
_LABEL = 12
_BAR, _LEAST_BAR = 48, 6
_LEAST_LOG = 3
_REASON_LINES = 3


def frame(snapshot: Snapshot, width: int, height: int) -> list[Text]:
    """The picture: at most height - 1 lines of at most width - 1 columns."""
    usable, room = max(1, width - 1), max(1, height - 1)
    head = _head(snapshot, usable)
    numbers = list(_numbers(snapshot, usable))
    stages = list(_stages(snapshot.stages, usable))
    log = list(_log(snapshot, usable))
    blanks = [Text()] if room > len(head) + len(numbers) + len(stages) + _LEAST_LOG else []
    if len(head) + len(numbers) + len(stages) + 2 * len(blanks) + _LEAST_LOG > room:
        head, stages = [*head, *_one_stage(snapshot.stages)], []
    top = [*head, *(blanks if numbers else []), *numbers, *(blanks if stages else []), *stages]
    left = room - len(top)
    lines = top + ([log[0], *log[1:][-(left - 1) :]] if log and left > 1 else [])
    for line in lines:
        line.truncate(usable, overflow="ellipsis")
        line.rstrip()
    return lines[:room]


def change(snapshot: Snapshot) -> tuple[object, ...]:
    """What a pipe reports: as long as this is the same, there is no new line."""
    step = snapshot.step
    stages = tuple((stage.name, stage.status) for stage in snapshot.stages)
    return (snapshot.standing, stages, step and (step.step, step.loss), snapshot.validation)


def summary_line(snapshot: Snapshot) -> str:
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
    """How a run ended, as a sentence; "" if it is running."""
    if not snapshot.over:
        return ""
    code = f" with exit code {snapshot.exit_code}" if snapshot.exit_code is not None else ""
    reason = f": {one_line(snapshot.reason)}" if snapshot.reason else ""
    return f"{snapshot.run}: {snapshot.standing}{code}{reason}"


def clock(seconds: float) -> str:
    """A duration for display.

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


def _head(snapshot: Snapshot, width: int) -> list[Text]:
    state = f"{snapshot.standing} {clock(snapshot.seconds)}"
    if snapshot.exit_code:
        state += f" (exit {snapshot.exit_code})"
    name = cut(one_line(snapshot.run), max(1, width - columns(state) - 2))
    first = Text.assemble((name, "bold"), "  ", (state, _STANDING.get(snapshot.standing, "yellow")))
    reasons = _folded(one_line(snapshot.reason), width)[:_REASON_LINES] if snapshot.reason else []
    return [first, Text(one_line(snapshot.headline), "dim"), *(Text(part, "red") for part in reasons)]


def _labeled(label: str, value: str, more: str = "", style: str = "dim") -> Text:
    return Text.assemble((label.ljust(_LABEL), "dim"), value, (f"  {more}" if more else "", style))


def _numbers(snapshot: Snapshot, width: int) -> Iterator[Text]:
    if snapshot.step:
        yield _bar(snapshot.step.step, snapshot.step.total, width)
    for label, value, curve in _training(snapshot):
        if label != "step":
            room = max(0, width - _LABEL - len(value) - 2)
            yield _labeled(label, value, _curve(curve, room), "cyan")
    if snapshot.memory_gb:
        many = "" if snapshot.processes == 1 else "es"
        value = f"{_gb(snapshot.memory_gb)} of {_gb(snapshot.memory_total_gb)}"
        yield _labeled("memory", value, f"{snapshot.processes} process{many}")
    for number, one in enumerate(snapshot.gpus):
        label = f"gpu {number}" if len(snapshot.gpus) > 1 else "gpu"
        value = f"{one.used_mib / 1024:.1f} of {one.total_mib / 1024:.1f} GiB"
        busy = f"  {one.percent}%" if one.percent >= 0 else ""
        mine = f"  this run {snapshot.gpu_mib / 1024:.1f}" if snapshot.gpu_mib and not number else ""
        yield _labeled(label, value + busy + mine, visible(one.name))


def _training(snapshot: Snapshot) -> Iterator[tuple[str, str, Sequence[float]]]:
    """(label, value, curve) of the trainer's numbers, the most important first."""
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
    for key, metric in KNOWN.items():
        values = [snapshot.metrics[name] for name in (key, HELD_OUT + key) if name in snapshot.metrics]
        if values:
            shown = ", held-out ".join(metric.shown(value) for value in values)
            yield metric.label, shown, snapshot.metric_courses.get(key, ())
    if step.learning_rate is not None:
        yield "rate", f"{step.learning_rate:.1e}", ()


def _bar(step: int, total: int, width: int) -> Text:
    count = f"{step}/{total}"
    long = min(_BAR, width - len(count) - 6)
    if total <= 0 or long < _LEAST_BAR:
        return Text(count)
    share = max(0.0, min(1.0, step / total))
    full = round(long * share)
    return Text.assemble(("█" * full, "green"), ("·" * (long - full), "dim"), f" {count} {share:4.0%}")


def _curve(values: Sequence[float], width: int) -> str:
    from orchestrator.execute.reporting.watch import thinned

    return sparkline(list(thinned(values, width))) if width and len(values) > 1 else ""


def _stages(stages: Sequence[WatchedStage], width: int) -> Iterator[Text]:
    """The stages in columns, row by row, each with its mark and its time."""
    cells = [_cell(stage) for stage in stages]
    wide = max((cell.cell_len for cell in cells), default=0) + 2
    across = max(1, (width + 2) // wide)
    for begin in range(0, len(cells), across):
        row = Text()
        for cell in cells[begin : begin + across]:
            cell.pad_right(wide - cell.cell_len)
            row.append_text(cell)
        yield row


def _cell(stage: WatchedStage) -> Text:
    mark, style = _MARKS.get(stage.status, ("?", ""))
    took = f" {clock(stage.seconds)}" if stage.seconds >= 0.5 else ""  # noqa: PLR2004  else it would show 0s
    name = {"running": "bold", "waiting": "dim"}.get(stage.status, "")
    return Text.assemble((f"{mark} ", style), (one_line(stage.name), name), (took, "dim"))


def _one_stage(stages: Sequence[WatchedStage]) -> Iterator[Text]:
    """The running stage, or the last one, if there is no room for all."""
    over = [number for number, stage in enumerate(stages) if stage.status != "waiting"]
    running = [number for number in over if stages[number].status == "running"]
    for number in (running or over)[-1:]:
        yield _cell(stages[number]).append(f"  stage {number + 1} of {len(stages)}", "dim")


def _log(snapshot: Snapshot, width: int) -> Iterator[Text]:
    if not snapshot.lines:
        return
    title = f"── {cut(one_line(snapshot.log), max(1, width - 8))}.log "
    yield Text(title + "─" * max(0, width - columns(title)), "dim")
    yield from (Text(visible(line).expandtabs(4)) for line in snapshot.lines)


def _folded(text: str, width: int) -> list[str]:
    lines = [""]
    for character in text:
        if columns(lines[-1] + character) > width:
            lines.append("")
        lines[-1] += character
    return lines
