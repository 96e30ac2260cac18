"""Mask secrets in text: the secret values of this process's environment, and what looks like one.

Commands name secrets and never hold them (processes/child_environment.py); this covers a child that prints
one. Not covered: encoded secrets, and secrets shorter than eight characters.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from orchestrator import outside

SHORTEST = 8
_NAME = re.compile(r".*(?:TOKEN|KEY|SECRET|PASSWORD|CREDENTIAL)S?$")


def secrets_of(environ: Mapping[str, str] | None = None) -> list[str]:
    """The secret values of an environment; of this process's for None."""
    given = os.environ if environ is None else environ
    return [value for name, value in given.items() if _NAME.fullmatch(name) and len(value) >= SHORTEST]


def redact(text: str, secrets: Iterable[str] | None = None) -> str:
    """The text with every secret masked; `secrets` None means the values of this process's environment.

    >>> redact("Authorization: Bearer abc and hf_" + "A" * 30, [])
    'Authorization: Bearer *** and ***'
    """
    return outside.redact(text, secrets_of() if secrets is None else secrets)
