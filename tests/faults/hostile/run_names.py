"""Names of runs, recipes and stages, and what a folder of runs may hold."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.faults.hostile import Hostile, Place, together
from tests.run_world import make_run

ID = "20260103-000000-beef"
# make_run's, of the recipe `small`.
LAST = "20260102-030405"
SECRET = "what nobody may read"
NO_NAME = ("is not the name of a run", "conch runs ls")


def run(place: Place) -> None:
    """A finished run of `small`."""
    if "run" not in place.named:
        place.named["run"] = make_run(place.project, "small").name


def outside(place: Place) -> Path:
    """A folder like a run's, beside runs/."""
    run(place)
    folder = place.project / "elsewhere" / ID
    (folder / "logs").mkdir(parents=True)
    for name in ("logs/train.log", "state.json", "manifest.json", "x.log"):
        (folder / name).write_text(SECRET, encoding="utf-8")
    place.open.callback(still_there, folder)
    return folder


def still_there(folder: Path) -> None:
    """What is outside runs/ has survived."""
    assert (folder / "logs/train.log").read_text(encoding="utf-8") == SECRET


def link(name: str, target: str = "elsewhere") -> Callable[[Place], object]:
    """A name below the project that is a link out of runs/; what had the name is moved away."""

    def make(place: Place) -> None:
        outside(place)
        path = place.project / name.format(**place.named)
        if path.exists():
            path.rename(place.project / "moved")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(place.project / target)

    return make


def in_run(name: str, content: bytes | None) -> Callable[[Place], object]:
    """A file of the run, or with None a pipe in its place."""

    def make(place: Place) -> None:
        run(place)
        path = place.project / "runs" / place.named["run"] / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        if content is None:
            os.mkfifo(path)
            place.open.callback(path.unlink)  # for those that look at what a test left
        else:
            path.write_bytes(content)

    return make


def in_recipe(name: str, content: bytes | None) -> Callable[[Place], object]:
    """The same in the recipe's folder of runs."""
    return in_run(f"../{name}", content)


def log_is(make_log: Callable[[Path], object]) -> Callable[[Place], object]:
    """The run's only log, which is not a file."""

    def make(place: Place) -> None:
        run(place)
        logs = place.project / "runs" / place.named["run"] / "logs"
        logs.mkdir(exist_ok=True)
        make_log(logs / "train.log")

    return make


def file_at(name: str) -> Callable[[Place], object]:
    """A file where a folder belongs."""

    def make(place: Place) -> None:
        path = place.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    return make


def lock_is_a_folder(place: Place) -> None:
    """The recipe's lock file is a folder."""
    (place.project / "runs/small/.lock").mkdir(parents=True)


DEEP = b"[" * 100_000
LOGS = ("logs", "small", "--stage")
NEVER = (SECRET,)

CASES = (
    Hostile("rm ../ID", outside, ("rm", "--yes", f"../elsewhere/{ID}"), 2, NO_NAME, also_json=True),
    Hostile("rm ../..", outside, ("rm", "--yes", "../.."), 2, NO_NAME),
    Hostile("rm through a run", outside, ("rm", "--yes", f"small/../../elsewhere/{ID}"), 2, NO_NAME),
    Hostile("rm an absolute path", outside, ("rm", "--yes", f"/var/{ID}"), 2, NO_NAME),
    Hostile("rm a recipe with a slash", outside, ("rm", "--yes", "small/"), 2, NO_NAME),
    Hostile("rm an id with a newline", outside, ("rm", "--yes", f"small/{ID}\n"), 2, NO_NAME),
    Hostile("rm an escape sequence", outside, ("rm", "--yes", "\x1b]0;x\x07\u202e/x"), 2, NO_NAME),
    Hostile("rm a name of 100,000", outside, ("rm", "--yes", "x/" * 50_000), 2, NO_NAME),
    Hostile("rm a linked recipe", link("runs/linked"), ("rm", "--yes", f"linked/{ID}"), 2, ("is a link",)),
    Hostile(
        "rm a linked run",
        link(f"runs/small/{ID}", f"elsewhere/{ID}"),
        ("rm", "--yes", f"small/{ID}"),
        2,
        ("is a link", "runs/small"),
        also_json=True,
    ),
    Hostile("rm where runs is a link", link("runs"), ("rm", "--yes", f"small/{ID}"), 2, ("is a link",)),
    Hostile("rm among good ones", outside, ("rm", "--yes", "{run}", f"../elsewhere/{ID}"), 2, NO_NAME),
    Hostile("show ../ID", outside, ("runs", "show", f"../elsewhere/{ID}"), 2, NO_NAME, NEVER),
    Hostile("diff with ../ID", outside, ("runs", "diff", "small", f"../elsewhere/{ID}"), 2, NO_NAME, NEVER),
    Hostile("ls ..", outside, ("runs", "ls", ".."), 2, NO_NAME),
    Hostile("ls a linked recipe", link("runs/linked"), ("runs", "ls", "linked"), 2, ("is a link",)),
    Hostile(
        "ls passes a linked recipe over", link("runs/linked"), ("runs", "ls"), 0, ("small/",), ("linked",)
    ),
    Hostile("status ../ID", outside, ("status", f"../elsewhere/{ID}"), 2, NO_NAME, NEVER),
    Hostile("status of Arabic digits", outside, ("status", "small/٢٠٢٦٠١٠٣-٠٠٠٠٠٠-beef"), 2, NO_NAME),
    Hostile("logs ../ID", outside, ("logs", f"../elsewhere/{ID}"), 2, NO_NAME, NEVER),
    Hostile(
        "logs of a stage outside", outside, (*LOGS, f"../../../../elsewhere/{ID}/x"), 2, ("--stage",), NEVER
    ),
    Hostile("logs of every stage", outside, (*LOGS, "*"), 2, ("is not the name of a stage",)),
    Hostile("logs of a set of characters", outside, (*LOGS, "[a-z]"), 2, ("is not the name of a stage",)),
    Hostile("logs of an escape sequence", outside, (*LOGS, "\x1b[31m"), 2, ("is not the name of a stage",)),
    Hostile("logs of an absolute stage", outside, (*LOGS, "/etc/x"), 2, ("is not the name of a stage",)),
    Hostile(
        "logs behind a linked folder",
        link("runs/{run}/logs", f"elsewhere/{ID}/logs"),
        ("logs", "small"),
        2,
        ("is a link",),
        NEVER,
    ),
    Hostile(
        "a log that is a link",
        log_is(lambda path: path.symlink_to("/etc/passwd")),
        ("logs", "small"),
        3,
        ("has no log yet",),
        ("root:",),
    ),
    Hostile("a log that is a pipe", log_is(os.mkfifo), ("logs", "small"), 3, ("has no log yet",)),
    Hostile("report ../ID", outside, ("report", f"../elsewhere/{ID}"), 2, NO_NAME, NEVER),
    Hostile("watch ..", outside, ("watch", "--once", ".."), 2, NO_NAME),
    Hostile("stop ../ID", outside, ("stop", f"../elsewhere/{ID}"), 2, NO_NAME),
    Hostile("compare ../ID", outside, ("compare", "small", f"../elsewhere/{ID}"), 2, NO_NAME, NEVER),
    Hostile("prove ../ID", outside, ("prove", "rows", f"../elsewhere/{ID}"), 2, (), NEVER),
    Hostile("chat with a checkpoint outside", outside, ("chat", "small", "--checkpoint", "../../x"), 2),
    Hostile(
        "chat with a run outside", outside, ("chat", f"../elsewhere/{ID}", "--checkpoint", "1"), 2, NO_NAME
    ),
    Hostile(
        "plan a password file", outside, ("plan", "/etc/passwd"), 2, ("/etc/passwd",), ("root:", "/bin/")
    ),
    Hostile("a state that is a pipe", in_run("state.json", None), ("status", "small"), 0, ("small/",)),
    Hostile(
        "a state and events of 100,000 lists",
        together(in_run("state.json", DEEP), lambda place: events(place, DEEP)),
        ("runs", "ls", "small"),
        0,
        ("small/",),
    ),
    Hostile("a state of another shape", in_run("state.json", b'{"stages": [1], "pid": {}}'), ("status",), 0),
    Hostile(
        "events that are a pipe",
        lambda place: events(place, None),
        ("runs", "show", "small"),
        3,
        ("events.jsonl",),
    ),
    Hostile("a manifest of 100,000 lists", in_run("manifest.json", DEEP), ("runs", "show", "small"), 0),
    Hostile(
        "a manifest of another shape",
        in_run("manifest.json", b'{"recipe": 1}'),
        ("runs", "show", "small"),
        3,
        ("manifest.json", "is damaged"),
    ),
    Hostile("a holder record that is a pipe", in_recipe(".holder.json", None), ("status",), 0, ("small/",)),
    Hostile("a holder record of nonsense", in_recipe(".holder.json", b'{"pid": -1}'), ("stop", "small"), 0),
    Hostile(
        "a server record of nonsense", in_run("serving.json", b'{"run": [], "pid": "x"}'), ("status",), 0
    ),
    Hostile("a server record of 100,000 lists", in_run("serving.json", DEEP), ("status",), 0, ("small/",)),
    Hostile("a lock that is a folder", lock_is_a_folder, ("sft", "small"), 3, ("cannot lock",)),
    Hostile("runs is a file", file_at("runs"), ("sft", "small"), 3, ("cannot make the folder",)),
    Hostile(
        "a recipe's runs are a file", file_at("runs/small"), ("sft", "small"), 3, ("cannot make the folder",)
    ),
    Hostile("sft where runs is a link", link("runs"), ("sft", "small"), 2, ("is a link",)),
    Hostile("sft into a linked recipe", link("runs/small"), ("sft", "small"), 2, ("is a link",)),
)


def events(place: Place, content: bytes | None) -> None:
    """The run's events, and no state."""
    in_run("events.jsonl", content)(place)
    (place.project / "runs" / place.named["run"] / "state.json").unlink(missing_ok=True)
