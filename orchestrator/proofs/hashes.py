"""The drift lock: what a model was trained from still lies there, file by file, and the export fits it.

Covered: the base's weights, tokenizer, template and configurations, the adapter, the training data and
settings, the proven chat template, each by its bytes; the export's chat template by its bytes and its
generation_config.json by its values. Not covered here: the export's weights (the merge proof) and the ids of
its tokenizer (parity:export); an export rewrites both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from orchestrator.proofs.findings import Findings
from orchestrator.results import Proof

NAME = "hashes"
BASE, ADAPTER, DATA, TEMPLATE, SETTINGS = (
    "inputs/base/",
    "adapter/",
    "data/",
    "chat_template.jinja",
    "train.yaml",
)
GENERATION = "generation_config.json"
TOKENIZER_FILES = frozenset(
    {
        *("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "tiktoken.model"),
        *("vocab.json", "vocab.txt", "merges.txt", "special_tokens_map.json", "added_tokens.json"),
    }
)
TEMPLATE_FILES = frozenset({"chat_template.jinja", "chat_template.json"})
CONFIGURATIONS = frozenset({"config.json", "adapter_config.json", GENERATION})
ENVIRONMENT = "environment"
BASE_WEIGHTS = "the base's weights"
# What an export adds to generation_config.json by itself, and what counts as no value.
_UNSAID = frozenset({"transformers_version", "_from_model_config"})
_SHOWN = 30
_SHORT = 12


@dataclass(frozen=True, slots=True)
class ModelHashes:
    """What a model is trained from, seen at one moment.

    Attributes:
        base: "name", "source" and "revision" of the base's manifest.
        fetched: file of the base → "sha256:…", as its manifest has them.
        files: run-relative path → "sha256:…", as the files are.
        texts: run-relative path → text, of those that a person may want to see the change of.
        generation: the generation config that an export of this training has.
        environments: "train", "serve" → hash of the lock that it is built from.
    """

    base: Mapping[str, str] = field(default_factory=dict)
    fetched: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    generation: Mapping[str, Any] = field(default_factory=dict)
    environments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export has of what the lock speaks of.

    Attributes:
        folder: its run-relative path.
        template: its chat template's text, None when it has none; template_hash: of its bytes.
        generation: its generation_config.json, None when it has none.
    """

    folder: str
    template: str | None
    template_hash: str
    generation: Mapping[str, Any] | None


def matters(name: str) -> bool:
    """Whether a file of a model folder decides what the model says.

    >>> matters("model-00001-of-00002.safetensors"), matters("README.md"), matters("training_args.bin")
    (True, False, False)
    """
    known = name in TOKENIZER_FILES | TEMPLATE_FILES | CONFIGURATIONS
    return known or name.endswith((".safetensors", ".safetensors.index.json"))


def prove(then: ModelHashes, now: ModelHashes, exported: Exported | None = None) -> Proof:
    """Whether what was recorded when training ended is what is there now.

    Args:
        then: the record.
        now: the same places, hashed again.
        exported: the export, None before there is one.
    """
    found, left_out = Findings(), ["the export's weights (merge) and its tokenizer's ids (parity:export)"]
    gone = any(name.startswith(BASE) for name in then.files) and not any(
        name.startswith(BASE) for name in now.files
    )
    if gone:
        left_out.append("the base model, which is not there any more")
    else:
        _base(then, now, found)
    for name in sorted({*then.files, *now.files}):
        if not (gone and name.startswith(BASE)) and then.files.get(name) != now.files.get(name):
            _file(name, then, now, found)
    if exported:
        _export(then, exported, found)
    _environments(then, now, found)
    refuting = next((kind for kind in found.counts if kind != ENVIRONMENT), None)
    first: Mapping[str, Any] = found.first(refuting) if refuting else {}
    shards = sum(name.endswith(".safetensors") for name in then.files)
    return Proof(
        name=NAME,
        holds=refuting is None,
        covered=f"{len(then.files)} files of the training, {shards} of them weights, hashed again"
        + (f"; {exported.folder}'s chat template and generation config" if exported else ""),
        numbers={
            "files": len(then.files),
            "changed": sum(found.counts.values()) - found.counts[ENVIRONMENT],
        },
        detail=f"{first['where']}: {first['what']}" if first else "",
        hint=first.get("hint", ""),
        not_covered="; ".join(left_out),
        findings=found.listed(),
    )


def first_difference(old: str, new: str) -> str:
    r"""Where two texts part: the line, and what stands there in both.

    >>> first_difference("a\n{{ x }}\n", "a\n{{ y }}\n")
    "line 2: '{{ x }}\\n' → '{{ y }}\\n'"
    """
    olds, news = old.splitlines(keepends=True), new.splitlines(keepends=True)
    line = next((n for n, (a, b) in enumerate(zip(olds, news, strict=False)) if a != b), None)
    if line is None:
        line = min(len(olds), len(news))
    ours, theirs = (lines[line] if line < len(lines) else "" for lines in (olds, news))
    pairs = enumerate(zip(ours, theirs, strict=False))
    column = next((n for n, (a, b) in pairs if a != b), min(len(ours), len(theirs)))
    shown = slice(max(0, column - _SHOWN), column + _SHOWN)
    return f"line {line + 1}: {ours[shown]!r} → {theirs[shown]!r}"


def _base(then: ModelHashes, now: ModelHashes, found: Findings) -> None:
    where = BASE.rstrip("/")
    for what in ("source", "revision"):
        old, new = then.base.get(what, ""), now.base.get(what, "")
        if old != new:
            hint = f"set model.{'revision' if what == 'revision' else 'base'} back, or train again"
            found.add(
                "base",
                f"the base is another {what}: {old[:60]} → {new[:60]}",
                where,
                hint,
                old=old,
                new=new,
            )
    for name, value in sorted(then.fetched.items()):
        had = then.files.get(BASE + name)
        if had and had != value:
            what = (
                f"was another than the fetched one when training ended: {_change(value, had)}; the model was"
                " trained from it"
            )
            found.add(
                _kind(BASE + name), what, BASE + name, "fetch the base and train again", old=value, new=had
            )


def _file(name: str, then: ModelHashes, now: ModelHashes, found: Findings) -> None:
    kind, old, new = _kind(name), then.files.get(name, ""), now.files.get(name, "")
    if not new:
        what = f"{kind}: the file is gone since training"
    elif not old:
        what = f"{kind}: the file was added since training"
    else:
        what = f"{kind}: changed since training, {_change(old, new)}"
        if kind == BASE_WEIGHTS:
            what += " (another revision of the base, or an edited file)"
    if old and new and name in then.texts and name in now.texts:
        what += f"; {first_difference(then.texts[name], now.texts[name])}"
    found.add(kind, what, name, _fix(name), old=old, new=new)


def _export(then: ModelHashes, exported: Exported, found: Findings) -> None:
    where, old = f"{exported.folder}/{TEMPLATE}", then.files.get(TEMPLATE, "")
    hint = "export again: `conch run` puts the proven template in"
    if exported.template is None:
        found.add("chat template", "the export holds no chat template", where, hint, old=old, new="")
    elif exported.template_hash != old:
        change = _change(old, exported.template_hash)
        what = f"the export's chat template is not the proven one: {change}"
        if TEMPLATE in then.texts:
            what += f"; {first_difference(then.texts[TEMPLATE], exported.template)}"
        found.add("chat template", what, where, hint, old=old, new=exported.template_hash)
    where = f"{exported.folder}/{GENERATION}"
    if exported.generation is None:
        what = "the export holds no generation config: the server takes what config.json says"
        found.add("generation config", what, where, "export again", old="", new="")
        return
    for key, was, is_ in changed_values(then.generation, exported.generation):
        what = f"{key} is {is_}, training had {was}"
        found.add("generation config", what, where, f"set {key} back, or export again", old=was, new=is_)


def changed_values(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(key, value before, value now) of what differs in two generation configs.

    An eos_token_id is a set: a number, or a list in any order. LLaMA-Factory switches do_sample on where the
    config samples without saying so (model/patcher.py, patch_model): that is no change.
    """
    for key in sorted({*old, *new} - _UNSAID):
        was, is_ = old.get(key), new.get(key)
        if _value(was) == _value(is_):
            continue
        samples = any(old.get(name) not in (None, 1.0) for name in ("temperature", "top_p", "typical_p"))
        if key == "do_sample" and not was and is_ is True and samples:
            continue
        yield key, was, is_


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return sorted(map(str, value))
    return [str(value)] if isinstance(value, int) and not isinstance(value, bool) else value


def _environments(then: ModelHashes, now: ModelHashes, found: Findings) -> None:
    """Told, not judged: the parity proofs are run again in another environment."""
    for name, old in then.environments.items():
        new = now.environments.get(name, old)
        if new != old:
            what = f"the {name} environment is another one: {_change(old, new)}"
            found.add(ENVIRONMENT, what, hint="prove again: `conch prove`", old=old, new=new)


def _kind(name: str) -> str:
    """What a file is, as a person says it."""
    whose = "the base's" if name.startswith(BASE) else "the adapter's"
    bare = PurePosixPath(name).name
    if name in {TEMPLATE, SETTINGS}:
        return "the chat template" if name == TEMPLATE else "train.yaml"
    if name.startswith(DATA):
        return "the training data"
    if bare in TOKENIZER_FILES:
        return f"{whose} tokenizer"
    if bare in TEMPLATE_FILES:
        return f"{whose} chat template"
    if bare == GENERATION:
        return f"{whose} generation config"
    return f"{whose} configuration" if bare in CONFIGURATIONS else f"{whose} weights"


def _fix(name: str) -> str:
    if name == TEMPLATE:
        return "put the proven template back: `conch run` writes it again; or prove the edited one"
    if name.startswith(BASE):
        return "put the base back that was trained from, or train again"
    return "put back what was trained from, or train again"


def _change(old: str, new: str) -> str:
    """Two hashes, short.

    >>> _change("sha256:0123456789abcdef", "sha256:fedcba9876543210")
    '0123456789ab → fedcba987654'
    """
    return " → ".join(value.removeprefix("sha256:")[:_SHORT] for value in (old, new))
