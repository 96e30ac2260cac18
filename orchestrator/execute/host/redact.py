"""Mask secrets in text: the secret values of this process's environment, and what looks like one.

Commands name secrets and never hold them (processes/child_environment.py); this covers a child that prints
one. Not covered: encoded secrets, and secrets shorter than eight characters.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

MASK = "***"
SHORTEST = 8
_NAME = re.compile(r".*(?:TOKEN|KEY|SECRET|PASSWORD|CREDENTIAL)S?$")
# Tokens of the hubs, and keys as OpenAI's clients and servers write them.
_LOOKS = re.compile(r"\b(?:hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,}|ms-[0-9a-f]{8}-[0-9a-f-]{20,})")
_HEADER = re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?bearer\s+)[^\s\"']+")


def secrets_of(environ: Mapping[str, str] | None = None) -> list[str]:
    """The secret values of an environment; of this process's for None."""
    given = os.environ if environ is None else environ
    return [value for name, value in given.items() if _NAME.fullmatch(name) and len(value) >= SHORTEST]


def redact(text: str, secrets: Iterable[str] | None = None) -> str:
    """The text with every secret masked; `secrets` None means the values of this process's environment.

    >>> redact("Authorization: Bearer abc and hf_" + "A" * 30, [])
    'Authorization: Bearer *** and ***'
    """
    for secret in secrets_of() if secrets is None else secrets:
        if secret:
            text = text.replace(secret, MASK)
    return _LOOKS.sub(MASK, _HEADER.sub(rf"\1{MASK}", text))
