"""One line of broken JSON, read as what it was meant to be: only where there is one way to read it. Pure."""

from __future__ import annotations

import ast
import json
import re
import warnings

import orjson

from orchestrator.datasets.base import Row
from orchestrator.datasets.json_text import refuse_constant, without_duplicates

LONGEST = 1 << 20
# A text, which is kept; a comment or a comma before a bracket, which is not.
_PARTS = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/|,(?=\s*[}\]])', re.DOTALL)


def fixed(line: bytes) -> Row | None:
    r"""The object of a line that is not JSON; None when it cannot be told.

    Commas too many, comments, raw control characters in a text, and Python's own spelling are read. A line
    that is cut off is not completed.

    >>> fixed(b"{'a': None, 'b': True},")
    {'a': None, 'b': True}
    """
    if len(line) > LONGEST:
        return None
    try:
        text = line.decode("utf-8").strip().rstrip(",")
    except UnicodeDecodeError:
        return None
    bare = _PARTS.sub(lambda part: part[0] if part[0][0] == '"' else "", text)
    bare = _PARTS.sub(lambda part: part[0] if part[0][0] == '"' else "", bare).strip()
    for value in (_json(bare), _python(text)):
        if isinstance(value, dict) and _is_json(value):
            return value
    return None


def _json(text: str) -> object:
    decoder = json.JSONDecoder(
        strict=False, parse_constant=refuse_constant, object_pairs_hook=without_duplicates
    )
    try:
        return decoder.decode(text)
    except (ValueError, RecursionError):
        return None


def _python(text: str) -> object:
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(text, mode="eval")
        objects = (node.keys for node in ast.walk(tree) if isinstance(node, ast.Dict))
        spelled = ([ast.dump(key) for key in keys if key] for keys in objects)
        if any(len(set(keys)) < len(keys) for keys in spelled):
            return None
        return ast.literal_eval(tree)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _is_json(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True
