"""The merge proof: the export is the base with this run's adapter merged, tensor by tensor. Pure.

The facts are those of probes/merge_check.py, whose docstrings have the bound and its reason. What does not
hold is named by what it looks like, the most telling first: a file that cannot be read, an adapter that does
nothing, the base itself, one foreign shard, another base, another scale, modules left out, another adapter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.results import Proof

Facts = Mapping[str, Any]
Record = Mapping[str, Any]

LISTED = 50
NAMED = 3
AGAIN = "conch sft RECIPE exports again from this run's adapter"
_NOT_COVERED = (
    "rows of large tensors that were not drawn (the lock has the hash of every byte); quantized weights"
)


def prove(facts: Facts) -> Proof:
    """The proof over the facts of one export."""
    detail, hint = _culprit(facts)
    return Proof(
        name="merge",
        holds=not detail,
        covered=_covered(facts),
        numbers=_numbers(facts),
        detail=detail or _held(facts),
        hint=hint,
        not_covered=_not_covered(facts),
        findings=tuple(_findings(facts))[:LISTED],
    )


def _culprit(facts: Facts) -> tuple[str, str]:
    """(what is wrong, what fixes it); ("", "") when nothing is."""
    for look in (_unreadable, _names, _idle, _not_finite, _is_base, _foreign_shard, _wrong_modules):
        found = look(facts)
        if found:
            return found
    return "", ""


def _unreadable(facts: Facts) -> tuple[str, str] | None:
    problems = facts["problems"]
    if not problems:
        return None
    first, more = problems[0], len(problems) - 1
    rest = f" (and {more} more)" if more else ""
    return f"{first['file']} {first['what']}{rest}", "export again, or fetch the base model again"


def _names(facts: Facts) -> tuple[str, str] | None:
    if facts["missing"]:
        return f"the export lacks {_some(facts['missing'])} of the base", AGAIN
    if facts["extra"]:
        what = f"the export holds {_some(facts['extra'])}, which the base does not have"
        return f"{what}: it was made from another base model", _base_fix()
    if facts["unmatched"]:
        what = f"the adapter trains {_some(facts['unmatched'])}, and the base has no such weight"
        return f"{what}: it belongs to another base model", _base_fix()
    return None


def _idle(facts: Facts) -> tuple[str, str] | None:
    """Training left nothing to merge."""
    trained = facts["tensors"].get("trained", 0)
    hint = "look at the loss in logs/train.log and at train.lora_target, and train again"
    if facts["method"] != "lora":
        if trained and not facts["changed"] and not facts["bad_number"]:
            return f"training changed none of its {trained} tensors: the trained model is the base", hint
        return None
    replaced = facts["tensors"].get("replaced", 0)
    if not facts["modules"] and not replaced:
        return "the adapter touches no module: it holds no update at all", hint
    if facts["modules"] and len(facts["silent"]) == facts["modules"] and not replaced:
        what = f"the adapter touches nothing: the update of each of its {facts['modules']} modules is zero"
        return what, hint
    return None


def _not_finite(facts: Facts) -> tuple[str, str] | None:
    bad = [record["tensor"] for record in facts["bad"] if not record["finite"]]
    if not bad:
        return None
    what = f"the export holds infinite or undefined numbers in {_some(bad)}"
    return what, "train with a lower learning rate or in bfloat16 in place of float16, and export again"


def _is_base(facts: Facts) -> tuple[str, str] | None:
    taught = _taught(facts)
    if not taught or facts["changed"]:
        return None
    merged = [record for record in facts["bad"] if record["kind"] != "untouched"]
    if merged:
        kind = "updates" if facts["method"] == "lora" else "tensors"
        return f"the export is the base model: none of the {taught} trained {kind} is in it", AGAIN
    what = f"none of {taught} updates is large enough to change a weight in {facts['dtypes']['export']}"
    return f"{what}: the export is the base model", "export in float32, or train longer or with a higher rate"


def _foreign_shard(facts: Facts) -> tuple[str, str] | None:
    """All that is wrong lies in some of several files, and all that was trained there is wrong."""
    bad, files = facts["bad"], facts["files"]
    guilty = sorted(file for file, counts in files.items() if counts["bad"])
    if not guilty or len(guilty) == len(files) or _looks(bad) <= {"scaled", "part"}:
        return None
    if len(bad) < facts["bad_number"] or any(not _all_wrong(file, facts) for file in guilty):
        return None
    kinds = _looks(bad)
    whose = "the base's own" if kinds == {"base"} else "another export's"
    number = sum(counts["bad"] for counts in files.values())
    what = f"{_some(guilty)} is {whose} shard: {number} tensors in it are wrong, and none in other files"
    return what, AGAIN


def _all_wrong(file: str, facts: Facts) -> bool:
    """More than a single module: every tensor of the file in which two exports differ."""
    bad = [record for record in facts["bad"] if record["file"] == file]
    right = facts["files"][file].get("taught", 0) - sum(record["kind"] != "untouched" for record in bad)
    return len(bad) > 1 and right == 0


def _wrong_modules(facts: Facts) -> tuple[str, str] | None:
    bad = facts["bad"]
    if not bad:
        return None
    plain = [record for record in bad if record["kind"] == "untouched"]
    if plain:
        return _other_base(plain, facts), _base_fix()
    kinds = _looks(bad)
    if kinds == {"scaled"}:
        return _scaled(facts)
    named, hint = _modules(facts), AGAIN
    if kinds == {"base"}:
        what = f"{named} are not merged: they equal the base's"
    elif kinds == {"part"}:
        what = f"{named} are merged in part: some rows are still the base's"
    elif "other adapter" in kinds and "other" not in kinds:
        rank = max(record.get("rank_found", 0) for record in bad)
        what = f"{named} carry another adapter's update, of rank {rank}: a stale merge, the adapter was"
        what = f"{what} trained again after the export"
    elif facts["method"] != "lora":
        what = f"{named} are not the trained model's: the export was made from another training"
    else:
        what = f"{named} hold neither the base's weights nor the merge's: another base, or another training"
        hint = f"{AGAIN}; {_base_fix()}"
    return what, hint


def _modules(facts: Facts) -> str:
    """The wrong modules, and out of how many: "model.layers.0.mlp.up_proj (1 of 210)"."""
    named = [str(record.get("module") or record["tensor"]) for record in facts["bad"]]
    more = facts["bad_number"] - NAMED
    names = ", ".join(named[:NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{names} ({facts['bad_number']} of {_taught(facts)})"


def _other_base(plain: Sequence[Record], facts: Facts) -> str:
    names = [record["tensor"] for record in plain]
    total = facts["tensors"].get("untouched", 0)
    what = f"{len(plain)} of {total} tensors that no training touched differ from the base: {_some(names)}"
    return f"{what}; the export was made from another base or another revision of it"


def _scaled(facts: Facts) -> tuple[str, str]:
    times = [record["times"] for record in facts["bad"]]
    least, most = min(times), max(times)
    by = f"{least:.4g}" if most - least < 0.01 * max(1.0, abs(most)) else f"{least:.4g} to {most:.4g}"
    first = facts["bad"][0]
    meant = f" (lora_alpha {first['alpha'] * first['times']:.4g} in place of {first['alpha']:g})"
    what = f"{_modules(facts)} carry {by} times the update{meant if 'alpha' in first else ''}"
    return what, f"adapter_config.json was changed after the export, or the export read another: {AGAIN}"


def _looks(bad: Sequence[Record]) -> set[str]:
    return {_look(record) for record in bad}


def _look(record: Record) -> str:
    """What a wrong tensor looks like, in a word."""
    if "looks" in record:
        return str(record["looks"])
    if not record["finite"]:
        return "not finite"
    return "base" if record.get("like_base") else "other"


def _taught(facts: Facts) -> int:
    """How many tensors training is meant to have changed."""
    return sum(facts["tensors"].get(kind, 0) for kind in ("merged", "replaced", "trained"))


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _base_fix() -> str:
    return "check model.base and model.revision, and export again from the base that was trained on"


def _held(facts: Facts) -> str:
    if facts["method"] != "lora":
        return f"all {_taught(facts)} tensors are the trained model's"
    scales = ", ".join(f"{scale:g}" for scale in facts["scales"][:NAMED]) or "1"
    merged = facts["tensors"].get("merged", 0)
    return f"{merged} updates are merged at scale {scales}, and every other tensor is as it must be"


def _covered(facts: Facts) -> str:
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(facts["tensors"].items()) if number)
    total = sum(facts["tensors"].values())
    share = facts["looked"] / facts["values"] if facts["values"] else 0.0
    dtypes = facts["dtypes"]
    return (
        f"{total} tensors of the export ({kinds}), {facts['looked']} of {facts['values']} values"
        f" ({share:.0%}; whole up to {facts['sample']}); base {dtypes['base']}, export {dtypes['export']}"
    )


def _not_covered(facts: Facts) -> str:
    parts = [f"{number} modules: {why}" for why, number in facts["uncovered"].items()]
    grown = [f"{name} has {new} rows, the base {old}" for name, (old, new) in facts["resized"].items()]
    hidden = facts["invisible"]
    if hidden:
        parts.append(f"{hidden} updates too small to be seen in {facts['dtypes']['export']}")
    return "; ".join([*parts, *grown, _NOT_COVERED])


def _numbers(facts: Facts) -> dict[str, float]:
    numbers = {
        "tensors": float(sum(facts["tensors"].values())),
        "modules": float(facts["modules"]),
        "wrong": float(facts["bad_number"]),
        "values": float(facts["looked"]),
        "largest_difference_in_bounds": float(facts["worst"]),
    }
    if facts["fit"]:
        numbers |= {"least_fit": facts["fit"][0], "greatest_fit": facts["fit"][1]}
    return numbers


def _findings(facts: Facts) -> list[dict[str, Any]]:
    found = [{"what": f"{each['what']}", "where": each["file"]} for each in facts["problems"]]
    for record in facts["bad"]:
        name = record.get("module") or record["tensor"]
        what = _SAID[_look(record)].format(**{"times": 0.0, "rank_found": 0, "share": 0.0, **record})
        found.append({"what": f"{name} {what}", "where": record["file"], "tensor": record["tensor"]})
    found += [{"what": f"the update of {module} is zero"} for module in facts["silent"]]
    return found


_SAID = {
    "base": "equals the base's: nothing is merged into it",
    "scaled": "carries {times:.4g} times the update",
    "part": "is merged in part: {share:.0%} of the rows seen are the base's",
    "other adapter": "carries another update, of rank {rank_found}",
    "other": "holds other weights: {share:.0%} of the values seen differ",
    "not finite": "holds infinite or undefined numbers",
}
