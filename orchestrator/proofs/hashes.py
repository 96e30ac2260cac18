"""hashes: the files that a model was trained from are unchanged, and the export fits them.

Covers the base's weights, tokenizer, template and configurations, the adapter, the training data and settings
and the proven chat template by their bytes; the export's chat template by its bytes and its
generation_config.json by its values. Not covered: the export's weights (the merge proof) and the ids of its
tokenizer (parity:export), because an export rewrites both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from orchestrator.proofs.findings import Findings
from orchestrator.results import Proof, Sentence, joined

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
# Keys that an export adds to generation_config.json by itself.
_ADDED = frozenset({"transformers_version", "_from_model_config"})
_SHOWN = 30
_SHORT = 12


@dataclass(frozen=True, slots=True)
class ModelHashes:
    """What a model is trained from, at one moment; paths are relative to the run.

    Attributes:
        base: "name", "source" and "revision" from the base's manifest, `fetched` its hashes of the files.
        files: path → "sha256:…". texts: path → text, of the files whose change is shown.
        generation: the generation config that an export of this training has.
        environments: "train", "serve" → hash of its lockfile.
    """

    base: Mapping[str, str] = field(default_factory=dict)
    fetched: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    generation: Mapping[str, object] = field(default_factory=dict)
    environments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exported:
    """The parts of an export that the proof checks; None for a missing file."""

    folder: str
    template: str | None
    template_hash: str
    generation: Mapping[str, object] | None


def matters(name: str) -> bool:
    """Whether a file of a model folder affects the model's output.

    >>> matters("model-00001-of-00002.safetensors"), matters("README.md"), matters("training_args.bin")
    (True, False, False)
    """
    known = name in TOKENIZER_FILES | TEMPLATE_FILES | CONFIGURATIONS
    return known or name.endswith((".safetensors", ".safetensors.index.json"))


def prove(then: ModelHashes, now: ModelHashes, exported: Exported | None = None) -> Proof:
    """Compare the hashes from the end of training (`then`) with the present ones, and with the export."""
    found = Findings()
    if not then.files:
        none = Sentence("no file of the training was recorded", "没有记录任何训练文件")
        found.add("nothing", none, hint=Sentence("train again: `conch sft`", "重新训练：`conch sft`"))
    left_out = [
        Sentence(
            "the export's weights (merge) and its tokenizer's ids (parity:export)",
            "导出模型的权重（见 merge）及其分词器的 id（见 parity:export）",
        )
    ]
    gone = any(map(_of_base, then.files)) and not any(map(_of_base, now.files))
    if gone:
        left_out.append(Sentence("the base model, which no longer exists", "已不存在的基座模型"))
    else:
        _base(then, now, found)
    for name in sorted({*then.files, *now.files}):
        if not (gone and _of_base(name)) and then.files.get(name) != now.files.get(name):
            _file(name, then, now, found)
    if exported:
        _export(then, exported, found)
    _environments(then, now, found)
    refuting = next((kind for kind in found.counts if kind != ENVIRONMENT), None)
    what, hint, where = found.first(refuting) if refuting else (Sentence(), Sentence(), "")
    shards = sum(name.endswith(".safetensors") for name in then.files)
    files = len(then.files)
    covered = Sentence(
        f"{files} files of the training, {shards} of them weights, hashed again",
        f"重新计算了训练所用 {files} 个文件的哈希，其中 {shards} 个是权重",
    )
    model = exported and Sentence(
        f"{exported.folder}'s chat template and generation config",
        f"{exported.folder} 的对话模板和 generation_config.json",
    )
    return Proof(
        name=NAME,
        holds=refuting is None,
        covered=joined([covered, model or ""]),
        numbers={"files": files, "changed": found.counts.total() - found.counts[ENVIRONMENT]},
        detail=joined([where, what], ": ", "：") if refuting else "",
        hint=hint,
        not_covered=joined(left_out),
        findings=found.listed(),
    )


def _of_base(name: str) -> bool:
    return name.startswith(BASE)


def first_difference(old: str, new: str) -> str:
    r"""The first line that differs between two texts, around the difference.

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
    for key, setting, zh in (("source", "base", "来源"), ("revision", "revision", "版本")):
        old, new = then.base.get(key, ""), now.base.get(key, "")
        if old != new:
            change = f"{old[:60]} → {new[:60]}"
            what = Sentence(f"the base is another {key}: {change}", f"基座模型的{zh}变了：{change}")
            hint = Sentence(f"set model.{setting} back, or train again", f"恢复 model.{setting}，或重新训练")
            found.add("base", what, where, hint, old=old, new=new)
    for name, value in sorted(then.fetched.items()):
        had = then.files.get(BASE + name)
        if had and had != value:
            change = _change(value, had)
            what = Sentence(
                f"differed from the fetched file when training ended: {change}; the model was trained from"
                " it",
                f"训练结束时已不同于下载的文件：{change}；模型是用它训练的",
            )
            hint = Sentence("fetch the base and train again", "重新下载基座模型并重新训练")
            found.add(_kind(BASE + name), what, BASE + name, hint, old=value, new=had)


def _file(name: str, then: ModelHashes, now: ModelHashes, found: Findings) -> None:
    kind, old, new = _kind(name), then.files.get(name, ""), now.files.get(name, "")
    if not new:
        event = Sentence("the file is gone since training", "训练后文件丢失")
    elif not old:
        event = Sentence("the file was added since training", "训练后新增的文件")
    else:
        change = _change(old, new)
        event = Sentence(f"changed since training, {change}", f"训练后被修改，{change}")
        if kind == _WEIGHTS_OF_BASE:
            event = Sentence(
                f"{event} (another revision of the base, or an edited file)",
                f"{event.zh}（基座模型换了版本，或文件被修改）",
            )
    what = joined([kind, event], ": ", "：")
    if old and new and name in then.texts and name in now.texts:
        what = joined([what, first_difference(then.texts[name], now.texts[name])])
    found.add(kind, what, name, _hint(name), old=old, new=new)


def _export(then: ModelHashes, exported: Exported, found: Findings) -> None:
    where, old = f"{exported.folder}/{TEMPLATE}", then.files.get(TEMPLATE, "")
    hint = Sentence(
        "export again: `conch run` adds the proven template", "重新导出：`conch run` 会放入已验证的模板"
    )
    if exported.template is None:
        what = Sentence("the export has no chat template", "导出的模型没有对话模板")
        found.add("chat template", what, where, hint, old=old, new="")
    elif exported.template_hash != old:
        change = _change(old, exported.template_hash)
        what = Sentence(
            f"the export's chat template is not the proven one: {change}",
            f"导出模型的对话模板不是已验证的那个：{change}",
        )
        if TEMPLATE in then.texts:
            what = joined([what, first_difference(then.texts[TEMPLATE], exported.template)])
        found.add("chat template", what, where, hint, old=old, new=exported.template_hash)
    where = f"{exported.folder}/{GENERATION}"
    if exported.generation is None:
        what = Sentence(
            "the export has no generation config: the server uses the values of config.json",
            "导出的模型没有 generation_config.json：服务端会使用 config.json 的值",
        )
        found.add("generation config", what, where, _EXPORT_AGAIN, old="", new="")
        return
    for key, before, after in changed_values(then.generation, exported.generation):
        what = Sentence(f"{key} is {after}, training had {before}", f"{key} 是 {after}，训练时是 {before}")
        hint = Sentence(f"set {key} back, or export again", f"恢复 {key}，或重新导出")
        found.add("generation config", what, where, hint, old=before, new=after)


def changed_values(
    old: Mapping[str, object], new: Mapping[str, object]
) -> Iterator[tuple[str, object, object]]:
    """(key, value before, value now) of each difference between two generation configs.

    An eos_token_id is a set: a number, or a list in any order. LLaMA-Factory turns do_sample on if the config
    has sampling values without it (model/patcher.py, patch_model): that is no change.
    """
    for key in sorted({*old, *new} - _ADDED):
        before, after = old.get(key), new.get(key)
        if _value(before) == _value(after):
            continue
        samples = any(old.get(name) not in (None, 1.0) for name in ("temperature", "top_p", "typical_p"))
        if key == "do_sample" and not before and after is True and samples:
            continue
        yield key, before, after


def _value(value: object) -> object:
    if isinstance(value, list):
        return sorted(map(str, value))
    return [str(value)] if isinstance(value, int) and not isinstance(value, bool) else value


def _environments(then: ModelHashes, now: ModelHashes, found: Findings) -> None:
    """Reported, but does not refute: the parity proofs run again in the other environment."""
    for name, old in then.environments.items():
        new = now.environments.get(name, old)
        if new != old:
            change = _change(old, new)
            what = Sentence(f"the {name} environment changed: {change}", f"{name} 环境变了：{change}")
            hint = Sentence("prove again: `conch prove`", "重新验证：`conch prove`")
            found.add(ENVIRONMENT, what, hint=hint, old=old, new=new)


_WEIGHTS_OF_BASE = Sentence("the base's weights", "基座模型的权重")
_EXPORT_AGAIN = Sentence("export again", "重新导出")
_NAMED = {
    TEMPLATE: Sentence("the chat template", "对话模板"),
    SETTINGS: Sentence("train.yaml", "train.yaml"),
}


def _kind(name: str) -> Sentence:
    """What a file is."""
    if name in _NAMED:
        return _NAMED[name]
    if name.startswith(DATA):
        return Sentence("the training data", "训练数据")
    whose, whose_zh = ("the base's", "基座模型的") if _of_base(name) else ("the adapter's", "适配器的")
    bare = PurePosixPath(name).name
    if bare in TOKENIZER_FILES:
        part, part_zh = "tokenizer", "分词器"
    elif bare in TEMPLATE_FILES:
        part, part_zh = "chat template", "对话模板"
    elif bare == GENERATION:
        part, part_zh = "generation config", "生成配置"
    else:
        part, part_zh = ("configuration", "配置") if bare in CONFIGURATIONS else ("weights", "权重")
    return Sentence(f"{whose} {part}", f"{whose_zh}{part_zh}")


def _hint(name: str) -> Sentence:
    if name == TEMPLATE:
        return Sentence(
            "restore the proven template: `conch run` writes it again; or prove the edited one",
            "恢复已验证的模板：`conch run` 会重新写出；或验证修改后的模板",
        )
    if _of_base(name):
        return Sentence(
            "restore the base that the model was trained from, or train again",
            "恢复训练所用的基座模型，或重新训练",
        )
    return Sentence("restore the file, or train again", "恢复该文件，或重新训练")


def _change(old: str, new: str) -> str:
    """Two hashes, short.

    >>> _change("sha256:0123456789abcdef", "sha256:fedcba9876543210")
    '0123456789ab → fedcba987654'
    """
    return " → ".join(value.removeprefix("sha256:")[:_SHORT] for value in (old, new))
