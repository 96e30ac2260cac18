"""merge: the export is the base with this run's adapter merged, tensor by tensor.

The facts come from probes/merge_check.py, whose docstrings explain the bound. A failure is named by what it
looks like, the most telling first: an unreadable file, an adapter that does nothing, the base itself, one
foreign shard, another base, another scale, modules left out, another adapter.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.proofs.findings import LISTED, Finding, some
from orchestrator.proofs.merge_facts import Facts, Record
from orchestrator.proofs.merge_words import HEADS, KINDS, LEFT_OUT, LOOKS, translated
from orchestrator.results import Proof, Sentence, joined

Cause = tuple[Sentence, Sentence]

SAME_SCALE = 0.01
AGAIN = Sentence(
    "conch sft RECIPE exports again from this run's adapter", "conch sft RECIPE 会用本次运行的适配器重新导出"
)
_BASE = Sentence(
    "check model.base and model.revision, and export again from the base that the model was trained on",
    "检查 model.base 和 model.revision，并用训练所用的基座模型重新导出",
)
_NOT_COVERED = Sentence(
    "rows of large tensors that were not drawn (the hashes proof covers every byte); quantized weights",
    "大张量中未抽样的行（hashes 证明覆盖每个字节）；量化权重",
)


def prove(facts: Facts) -> Proof:
    """The proof over the facts of one export."""
    rules = (
        *(_unreadable, _begun, _head, _names, _untied, _nothing, _idle, _not_finite, _frozen, _is_base),
        *(_foreign_shard, _wrong_modules),
    )
    cause = next((found for rule in rules if (found := rule(facts))), None)
    return Proof(
        name="merge",
        holds=cause is None,
        covered=_covered(facts),
        numbers={
            "tensors": float(sum(facts["tensors"].values())),
            "modules": float(facts["modules"]),
            "wrong": float(facts["bad_number"]),
            "values": float(facts["looked"]),
            "largest_difference_in_bounds": float(facts["worst"]),
            **dict(zip(("least_fit", "greatest_fit"), facts["fit"], strict=False)),
        },
        detail=cause[0] if cause else _held(facts),
        hint=cause[1] if cause else "",
        not_covered=_not_covered(facts),
        findings=tuple(_findings(facts))[:LISTED],
    )


def _unreadable(facts: Facts) -> Cause | None:
    if not facts["problems"]:
        return None
    first, more = facts["problems"][0], len(facts["problems"]) - 1
    rest = Sentence(f" (and {more} more)", f"（另有 {more} 个）") if more else Sentence()
    what = joined([first["file"], translated(first["what"])], " ", " ")
    hint = Sentence("export again, or fetch the base model again", "重新导出，或重新下载基座模型")
    return joined([what, rest], "", ""), hint


def _head(facts: Facts) -> Cause | None:
    what = HEADS.get(facts.get("head", ""))
    return (what, AGAIN) if what else None


def _begun(facts: Facts) -> Cause | None:
    """An adapter of a base that only its own training had."""
    if not (begun := facts.get("begun")):
        return None
    return Sentence(
        f"the adapter begins with a changed base ({begun}), which is another one at every load: it is no"
        " adapter of this base",
        f"适配器从改动过的基座开始训练（{begun}），而每次加载时这个基座都不同：它不是当前基座的适配器",
    ), Sentence(
        "use the converted adapter, adapter/pissa_converted, which conch sft makes with train.pissa: true",
        "使用转换后的适配器 adapter/pissa_converted；设置 train.pissa: true 后，conch sft RECIPE 会生成它",
    )


def _untied(facts: Facts) -> Cause | None:
    """Two tables of which a server would read one."""
    if names := some(facts.get("dropped", ())):
        return Sentence(
            f"the export lacks {names}, which training saved whole",
            f"导出模型缺少训练时整体保存的 {names.zh}",
        ), AGAIN
    if not (head := facts.get("untied")):
        return None
    return Sentence(
        f"config.json says that the output head is the embedding table, and {head} is another one: a server"
        " drops it",
        f"config.json 声明输出层与词嵌入共享权重，但 {head} 与词嵌入不同：服务端会丢弃它",
    ), Sentence(
        "set tie_word_embeddings: false in the export's config.json; conch sft RECIPE exports it so",
        "在导出模型的 config.json 中设置 tie_word_embeddings: false；conch sft RECIPE 会这样导出",
    )


def _frozen(facts: Facts) -> Cause | None:
    """A layer changed that was not to be trained."""
    names = [record["tensor"] for record in facts["bad"] if record["kind"] == "frozen"]
    if not names:
        return None
    total, listed = facts["tensors"].get("frozen", 0), some(names)
    return Sentence(
        f"{len(names)} of {total} frozen tensors are not the base's: {listed}; another part of the model was"
        " trained, or the export is of another base",
        f"{total} 个冻结的张量中有 {len(names)} 个与基座不同：{listed.zh}；"
        "训练了模型的其他部分，或导出自另一个基座",
    ), joined([AGAIN, _BASE])


def _names(facts: Facts) -> Cause | None:
    if names := some(facts["missing"]):
        return Sentence(f"the export lacks {names} of the base", f"导出模型缺少基座中的 {names.zh}"), AGAIN
    if names := some(facts["extra"]):
        return Sentence(
            f"the export has {names}, which the base does not have: it was made from another base model",
            f"导出模型多出基座没有的 {names.zh}：它是用另一个基座模型导出的",
        ), _BASE
    if names := some(facts["unmatched"]):
        return Sentence(
            f"the adapter trains {names}, and the base has no such weight: it belongs to another base model",
            f"适配器训练了 {names.zh}，而基座没有这样的权重：它属于另一个基座模型",
        ), _BASE
    return None


def _nothing(facts: Facts) -> Cause | None:
    if facts["looked"]:
        return None
    return Sentence("no value of any tensor was compared", "没有比较任何张量的数值"), AGAIN


def _idle(facts: Facts) -> Cause | None:
    """Training left nothing to merge."""
    tensors, modules = facts["tensors"], facts["modules"]
    trained, replaced = tensors.get("trained", 0), tensors.get("replaced", 0)
    hint = Sentence(
        "check the loss in logs/train.log and train.lora_target, and train again",
        "检查 logs/train.log 中的损失和 train.lora_target，然后重新训练",
    )
    lora = facts["method"] == "lora"
    if not lora and trained and not facts["changed"] and not facts["bad_number"]:
        return Sentence(
            f"training changed none of its {trained} tensors: the trained model is the base",
            f"训练没有改变任何一个张量（共 {trained} 个）：训练后的模型就是基座模型",
        ), hint
    if not lora or replaced:
        return None
    if not modules:
        return Sentence(
            "the adapter affects no module: it contains no update at all",
            "适配器没有作用于任何模块：其中没有任何更新",
        ), hint
    if len(facts["silent"]) == modules:
        return Sentence(
            f"the adapter has no effect: the update of each of its {modules} modules is zero",
            f"适配器不起作用：全部 {modules} 个模块的更新都是零",
        ), hint
    return None


def _not_finite(facts: Facts) -> Cause | None:
    names = some([record["tensor"] for record in facts["bad"] if not record["finite"]])
    if not names:
        return None
    hint = Sentence(
        "train with a lower learning rate, or in bfloat16 instead of float16, and export again",
        "调低学习率，或用 bfloat16 代替 float16 训练，然后重新导出",
    )
    return Sentence(
        f"the export has infinite or undefined numbers in {names}", f"导出模型的 {names.zh} 含有无穷大或 NaN"
    ), hint


def _is_base(facts: Facts) -> Cause | None:
    taught = _taught(facts)
    if not taught or facts["changed"]:
        return None
    if any(record["kind"] != "untouched" for record in facts["bad"]):
        kind, kind_zh = ("updates", "更新") if facts["method"] == "lora" else ("tensors", "张量")
        return Sentence(
            f"the export is the base model: none of the {taught} trained {kind} is in it",
            f"导出的就是基座模型：训练得到的 {taught} 个{kind_zh}一个都没有合入",
        ), AGAIN
    dtype = facts["dtypes"]["export"]
    hint = Sentence(
        "export in float32, or train longer or with a higher learning rate",
        "用 float32 导出，或者增加训练轮数、调高学习率",
    )
    return Sentence(
        f"none of {taught} updates is large enough to change a weight in {dtype}: the export is the base"
        " model",
        f"{taught} 个更新都太小，改变不了 {dtype} 精度的权重：导出的就是基座模型",
    ), hint


def _foreign_shard(facts: Facts) -> Cause | None:
    """Some of several files are wrong, each in all tensors that training changed; the others are correct."""
    bad, files = facts["bad"], facts["files"]
    guilty = sorted(file for file, counts in files.items() if counts["bad"])
    if not guilty or len(guilty) == len(files) or _looks(bad) <= {"scaled", "part"}:
        return None
    for file in guilty:
        kinds = [record["kind"] for record in bad if record["file"] == file]
        taught = sum(kind != "untouched" for kind in kinds)
        if len(kinds) <= 1 or taught != files[file].get("taught", 0) or len(bad) < facts["bad_number"]:
            return None
    base = _looks(bad) == {"base"}
    whose, whose_zh = ("the base's own", "基座模型") if base else ("another export's", "另一次导出")
    number, names = sum(counts["bad"] for counts in files.values()), some(guilty)
    return Sentence(
        f"{names} is {whose} shard: {number} tensors in it are wrong, and none in other files",
        f"{names.zh} 是{whose_zh}的分片：其中 {number} 个张量不对，其他文件没有问题",
    ), AGAIN


def _wrong_modules(facts: Facts) -> Cause | None:
    if not (bad := facts["bad"]):
        return None
    if plain := [record["tensor"] for record in bad if record["kind"] == "untouched"]:
        names, total = some(plain), facts["tensors"].get("untouched", 0)
        return Sentence(
            f"{len(plain)} of {total} tensors that training did not touch differ from the base: {names}; the"
            " export was made from another base or another revision of it",
            f"训练未涉及的 {total} 个张量中有 {len(plain)} 个与基座不同：{names.zh}；"
            "导出来自另一个基座模型或它的另一个版本",
        ), _BASE
    kinds = _looks(bad)
    if kinds == {"scaled"}:
        return _scaled(facts)
    named = _modules(facts)
    if kinds == {"base"}:
        what = Sentence("are not merged: they equal the base's", "没有合并：与基座模型相同")
    elif kinds == {"part"}:
        what = Sentence(
            "are merged in part: some rows are still the base's", "只合并了一部分：有些行仍是基座模型的"
        )
    elif len(kinds) == 1 and (look := next(iter(kinds))) in LEFT_OUT:
        what = LEFT_OUT[look]
    elif "other adapter" in kinds and "other" not in kinds:
        rank = max(record.get("rank_found", 0) for record in bad)
        what = Sentence(
            f"carry another adapter's update, of rank {rank}: a stale merge, the adapter was trained again"
            " after the export",
            f"合并的是另一个适配器的更新（秩 {rank}）：合并已过时，导出之后适配器又重新训练过",
        )
    elif facts["method"] != "lora":
        what = Sentence(
            "are not the trained model's: the export was made from another training",
            "不是训练后的权重：导出来自另一次训练",
        )
    else:
        what = Sentence(
            "hold neither the base's weights nor the merge's: another base, or another training",
            "既不是基座的权重，也不是合并后的权重：基座不同，或来自另一次训练",
        )
        return joined([named, what], " ", ""), joined([AGAIN, _BASE])
    return joined([named, what], " ", ""), AGAIN


def _modules(facts: Facts) -> Sentence:
    """The wrong modules, and out of how many: "model.layers.0.mlp.up_proj (1 of 210)"."""
    number, taught = facts["bad_number"], _taught(facts)
    names = some([record.get("module") or record["tensor"] for record in facts["bad"]], number)
    return Sentence(f"{names} ({number} of {taught})", f"{names.zh}（{number}/{taught}）")


def _scaled(facts: Facts) -> Cause:
    times = [record.get("times", 0.0) for record in facts["bad"]]
    least, most = min(times), max(times)
    one = most - least < 0.01 * max(1.0, abs(most))
    by, by_zh = (f"{least:.4g}",) * 2 if one else (f"{least:.4g} to {most:.4g}", f"{least:.4g} 至 {most:.4g}")
    named, alpha = _modules(facts), facts["bad"][0].get("alpha")
    meant = meant_zh = ""
    if alpha is not None:
        actual = f"{alpha * times[0]:.4g}"
        meant = f" (lora_alpha {actual} instead of {alpha:g})"
        meant_zh = f"（lora_alpha 是 {actual}，应为 {alpha:g}）"
    rank = facts["bad"][0].get("rank", 0)
    if facts.get("rslora") and rank and abs(times[0] * rank**0.5 - 1) < SAME_SCALE:
        meant = ": the scale of LoRA, alpha / rank, instead of rsLoRA's, alpha / √rank"
        meant_zh = "：用的是 LoRA 的缩放系数 alpha / rank，而不是 rsLoRA 的 alpha / √rank"
    cause = Sentence(
        "adapter_config.json was changed after the export, or the export read another one",
        "导出之后 adapter_config.json 被修改过，或导出时读的是另一个文件",
    )
    return Sentence(
        f"{named} carry {by} times the update{meant}", f"{named.zh}的更新是应有的 {by_zh} 倍{meant_zh}"
    ), joined([cause, AGAIN], ": ", "：")


def _looks(bad: Sequence[Record]) -> set[str]:
    return {_look(record) for record in bad}


def _look(record: Record) -> str:
    """What a wrong tensor looks like, a key of LOOKS."""
    unnamed = "base" if record.get("like_base") else "other"
    return record.get("looks") or (unnamed if record["finite"] else "not finite")


def _taught(facts: Facts) -> int:
    """How many tensors training is meant to have changed."""
    return sum(facts["tensors"].get(kind, 0) for kind in ("merged", "replaced", "trained"))


def _held(facts: Facts) -> Sentence:
    if facts["method"] != "lora":
        all_ = _taught(facts)
        if frozen := facts["tensors"].get("frozen"):
            return Sentence(
                f"{all_} tensors are the trained model's, and all {frozen} frozen ones the base's",
                f"{all_} 个张量是训练后的权重，全部 {frozen} 个冻结的张量与基座相同",
            )
        return Sentence(f"all {all_} tensors are the trained model's", f"全部 {all_} 个张量都是训练后的权重")
    scales = ", ".join(f"{scale:g}" for scale in facts["scales"][:3]) or "1"
    merged = facts["tensors"].get("merged", 0)
    return Sentence(
        f"{merged} updates are merged at scale {scales}, and every other tensor is as expected",
        f"{merged} 个更新已按缩放系数 {scales} 合并，其余张量都符合预期",
    )


def _covered(facts: Facts) -> Sentence:
    counted = [(number, kind) for kind, number in sorted(facts["tensors"].items()) if number]
    each = [Sentence(f"{number} {kind}", f"{KINDS.get(kind, kind)} {number}") for number, kind in counted]
    kinds = joined(each, ", ", "，")
    total, looked, values = sum(facts["tensors"].values()), facts["looked"], facts["values"]
    share, sample, dtypes = looked / values if values else 0.0, facts["sample"], facts["dtypes"]
    return Sentence(
        f"{total} tensors of the export ({kinds}), {looked} of {values} values ({share:.0%}; whole up to"
        f" {sample}); base {dtypes['base']}, export {dtypes['export']}",
        f"导出模型的 {total} 个张量（{kinds.zh}），{values} 个数值中的 {looked} 个（{share:.0%}；"
        f"不超过 {sample} 的张量全部检查）；基座 {dtypes['base']}，导出 {dtypes['export']}",
    )


def _not_covered(facts: Facts) -> Sentence:
    parts = [
        Sentence(f"{number} modules: {why}", f"{number} 个模块：{translated(why).zh}")
        for why, number in facts["uncovered"].items()
    ]
    parts += [
        Sentence(f"{name} has {new} rows, the base {old}", f"{name} 有 {new} 行，基座有 {old} 行")
        for name, (old, new) in facts["resized"].items()
    ]
    if hidden := facts["invisible"]:
        en, zh = f"{hidden} updates too small to be seen in ", f"{hidden} 个更新太小，"
        dtype = facts["dtypes"]["export"]
        parts.append(Sentence(f"{en}{dtype}", f"{zh}{dtype} 精度无法体现"))
    return joined([*parts, _NOT_COVERED])


def _findings(facts: Facts) -> list[Finding]:
    found: list[Finding] = [
        {"what": translated(each["what"]), "where": each["file"]} for each in facts["problems"]
    ]
    for record in facts["bad"]:
        name, look = record.get("module") or record["tensor"], LOOKS[_look(record)]
        values = {"times": 0.0, "rank_found": 0, "share": 0.0, **record}
        what = Sentence(f"{name} {look.format(**values)}", f"{name} {look.zh.format(**values)}")
        found.append({"what": what, "where": record["file"], "tensor": record["tensor"]})
    silent = (Sentence(f"the update of {name} is zero", f"{name} 的更新是零") for name in facts["silent"])
    return found + [{"what": what} for what in silent]
