"""pydantic errors → Problems with position, dotted key, what is valid, the actual value and the fix."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestrator.errors import Problem, nearest
from orchestrator.outside import Outside
from orchestrator.recipe.answers import CheckCase
from orchestrator.recipe.section import Section
from orchestrator.recipe.sections import FILE_KEYS, SECTIONS
from orchestrator.recipe.tree import Node

# Names that users of LLaMA-Factory and vLLM type first.
ELSEWHERE = {
    "lr": "train.learning_rate",
    "num_train_epochs": "train.epochs",
    "num_epochs": "train.epochs",
    "per_device_train_batch_size": "train.batch_size",
    "gradient_accumulation_steps": "train.gradient_accumulation",
    "lr_scheduler_type": "train.scheduler",
    "finetuning_type": "train.method",
    "bf16": "train.compute_type",
    "fp16": "train.compute_type",
    "val_size": "data.validation_share",
    "model_name_or_path": "model.base",
    "adapter": "train.method",
    "enable_thinking": "template.thinking",
    "served_model_name": "serve.model",
    "export_size": "export.shard_size_gb",
}

SHOWN = 100


def explain(error: ValidationError, root: Node, file: str) -> list[Problem]:
    """The problems of a recipe with the composed tree `root`; `file` is the position of what is missing."""
    problems: list[Problem] = []
    every = error.errors(include_url=False)
    for found in every[:SHOWN]:
        location = found["loc"]
        node, exact = node_at(root, location)
        if found["type"] == "missing":
            problems += _absent(location, node, file)
        elif found["type"] == "extra_forbidden":
            problems.append(unknown(location, node))
        else:
            path = node.path if exact and node.path else dotted(location)
            problems.append(_wrong(found, node, path))
    if len(every) > SHOWN:
        problems.append(Problem(f"{len(every) - SHOWN} more problems", file, "mend these first"))
    return problems


def unknown(location: Sequence[int | str], node: Node) -> Problem:
    """The problem of an unknown key."""
    key = str(location[-1])
    meant = _meant(location)
    suggestion = f'; did you mean "{meant}"?' if meant else ""
    path = node.path or dotted(location)
    hint = "" if meant else f"keys here: {', '.join(keys_at(location[:-1]))}"
    return Problem(f'{path}: no key named "{key}"{suggestion}', node.key_where, hint)


def keys_at(location: Sequence[int | str]) -> tuple[str, ...]:
    """The keys that are valid at a location."""
    if not location:
        return FILE_KEYS
    if tuple(location[:2]) == ("verify", "checks"):
        return tuple(field.alias or name for name, field in CheckCase.model_fields.items())
    section = SECTIONS.get(str(location[0]))
    for step in location[1:]:
        section = _nested(section).get(str(step), section) if section else None
    return tuple(section.model_fields) if section else ()


def _nested(section: type[Section]) -> dict[str, type[Section]]:
    """The sections in a section, by their keys."""
    kinds = {name: info.annotation for name, info in section.model_fields.items()}
    return {
        name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Section)
    }


def node_at(root: Node, location: Iterable[int | str]) -> tuple[Node, bool]:
    """The node at a location, or the deepest one on the way to it; whether it is exact."""
    node = root
    for step in location:
        value = node.value
        inside = (
            step in value if isinstance(value, dict) else isinstance(value, list) and _indexes(step, value)
        )
        if not inside:
            return node, False
        node = value[step]
    return node, True


def _indexes(step: int | str, items: Sequence[Node]) -> bool:
    return isinstance(step, int) and step < len(items)


def dotted(location: Iterable[int | str]) -> str:
    """A location as users write it.

    >>> dotted(("verify", "checks", 2, "expect"))
    'verify.checks[2].expect'
    """
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".")


def shown(node: Node) -> str:
    """A value as written, shortened."""
    value = node.value
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else node.text or json.dumps(value)
    return str(Outside(text, limit=60))


def _meant(location: Sequence[int | str]) -> str:
    key, here = str(location[-1]), keys_at(location[:-1])
    near = nearest(key, here)
    if near:
        return near
    for inner, kind in _nested(SECTIONS.get(str(location[0]), Section)).items():
        if key in kind.model_fields:
            return f"{location[0]}.{inner}.{key}"
    for section, kind in SECTIONS.items():
        if key in kind.model_fields:
            return f"{section}.{key}"
    return ELSEWHERE.get(key, "")


def _absent(location: Sequence[int | str], node: Node, file: str) -> list[Problem]:
    section = SECTIONS.get(str(location[0])) if len(location) == 1 else None
    keys = [dotted(location)] if section is None else [f"{location[0]}.{key}" for key in _required(section)]
    where = node.key_where or node.where or file
    return [Problem(f"{key}: missing", where, f"add `{_lines(key)}`") for key in keys]


def _required(section: type[Section]) -> list[str]:
    return [key for key, info in section.model_fields.items() if info.is_required()]


def _lines(key: str) -> str:
    first, _, rest = key.partition(".")
    return f"{first}: {{{rest}: …}}" if rest and "[" not in key else f"{key.rpartition('.')[2]}: …"


def _wrong(found: ErrorDetails, node: Node, path: str) -> Problem:
    context = found.get("ctx") or {}
    if "index" in context and isinstance(node.value, list):
        node = node.value[context["index"]]
        path = node.path
    if found["type"] == "unquoted":
        kind = {bool: "a boolean", int: "a number", float: "a number"}.get(type(node.value))
        if kind is None:
            return Problem(f"{path}: must be text, got {shown(node)}", node.where)
        what = f"{path}: must be text, but {shown(node)} without quotes is {kind}"
        key = path.rpartition(".")[2]
        lead = "" if key.endswith("]") else f"{key}: "
        return Problem(what, node.where, f'quote it: {lead}"{node.text}"')
    words = context.get("words") or _words(str(found["type"]), str(found["msg"]))
    near = f'; did you mean "{context["near"]}"?' if context.get("near") else ""
    return Problem(f"{path}: must be {words}, got {shown(node)}{near}", node.where)


def _words(kind: str, message: str) -> str:
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "a mapping (key: value lines)"
    if kind in ("tuple_type", "list_type"):
        return "a list (lines that start with a dash)"
    return message
