"""The faults of planted_faults.py in preferences, likes, documents and chains, and sound set-ups.

KIND_CASES are scores of a made-up model, laid out as trainer and server leave them: the very tasks of a run
judge them, no engine is needed. KIND_FAULTS lie in the files of real runs of the shipped chain of recipes.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

from benchmarks.planted_live import LiveFault
from benchmarks.planted_run import Planted, RunFault, _as_base, _other_revision, _stale, tensors
from orchestrator.execute.proving.offline_proofs import prove_rows
from orchestrator.execute.proving.prove_loss import prove_loss, prove_perplexity, prove_preference
from orchestrator.execute.runner.task import typed

BEGIN, END, LABELS = 1, 2, 4
GAIN = 0.4


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One answer or document: what was prepared, and the loss of its labels by each model.

    Attributes:
        name: of its dataset in the proofs. says: its text in conversations.jsonl. trained: the trainer's.
        loss: log p of each label by "base", "trainer" and "served".
        tag, read: whether it is liked in the data, and for the trainer; None without a rating.
    """

    name: str
    row: int
    says: str
    trained: str
    loss: Mapping[str, Sequence[float]]
    tag: bool | None = None
    read: bool | None = None
    error: str = ""

    @property
    def held_out(self) -> bool:
        """Whether it is not trained."""
        return "_validation" in self.name

    @property
    def place(self) -> dict[str, object]:
        """What every line of it begins with."""
        return {"dataset": self.name, "row": self.row, "held_out": self.held_out}


Rows = Sequence[Scored]


def logs(text: str, more: float = 0.0) -> list[float]:
    """Log probabilities of a text's labels, the same every time."""
    spread = [crc32(f"{text}{at}".encode()) % 1000 / 1000 for at in range(LABELS)]
    return [-2.0 - 2 * value + more for value in spread]


def losses(text: str, gain: float) -> dict[str, list[float]]:
    """Of the base, of the trainer after training, and of a server that is off by a rounding."""
    trainer = logs(text, gain)
    return {"base": logs(text), "trainer": trainer, "served": [value + 1e-5 for value in trainer]}


def parts(name: str, *, held_out: bool) -> Sequence[tuple[str, int]]:
    """Eight rows to train, and eight held out."""
    names = (name, f"{name}_validation") if held_out else (name,)
    return [(one, row) for one in names for row in range(1, 9)]


# `good`, `bad`: nats that training adds to each label of better and of worse answers; of trained and of
# held-out documents.
def pairs(*, good: float = GAIN, bad: float = -GAIN, held_out: bool = True) -> Rows:
    rows = []
    for name, row in parts("pairs", held_out=held_out):
        for suffix, word, gain in (("", "better", good), ("/rejected", "worse", bad)):
            text = f"{word} {name} {row}"
            rows.append(Scored(name=name + suffix, row=row, says=text, trained=text, loss=losses(text, gain)))
    return rows


def rated(*, good: float = GAIN, bad: float = -GAIN, held_out: bool = True) -> Rows:
    rows = []
    for name, row in parts("likes", held_out=held_out):
        liked, text = bool(row % 2), f"answer {name} {row}"
        loss = losses(text, good if liked else bad)
        rows.append(Scored(name=name, row=row, says=text, trained=text, loss=loss, tag=liked, read=liked))
    return rows


def documents(*, good: float = GAIN, bad: float = GAIN, held_out: bool = True) -> Rows:
    rows = []
    for name, row in parts("stories", held_out=held_out):
        text = f"story {name} {row}"
        loss = losses(text, bad if "_validation" in name else good)
        rows.append(Scored(name=name, row=row, says=text, trained=text, loss=loss))
    return rows


@dataclass(frozen=True, kw_only=True)
class KindCase:
    """Rows of a kind, and what the proofs must say.

    Attributes:
        rows: makes them. proof, says: which fails, and its words; "" for a sound one. also: others that may.
        dtype: of the server. lost: rows that the loader does not keep. added: rows that nobody prepared.
        marked: the server begins a document with a mark.
    """

    rows: Callable[[], Rows]
    proof: str = ""
    says: str = ""
    also: tuple[str, ...] = ()
    dtype: str = "float32"
    lost: int = 0
    added: int = 0
    marked: bool = False

    def proofs(self, folder: Path) -> dict[str, dict[str, Any]]:
        """Every proof of these rows, made by the tasks of a run in an empty folder."""
        rows = list(self.rows())
        lay_out(folder, rows, self)
        documents = rows[0].name.startswith("stories")
        tasks: dict[str, Callable[[Any, Path], int]] = {"rows": prove_rows, "loss": prove_loss}
        tasks |= {"perplexity": prove_perplexity} if documents else {"preference": prove_preference}
        found = {}
        for name, task in tasks.items():
            settings = SETTINGS[name == "rows"] | {"out": f"{name}.json"}
            settings |= {} if name == "rows" else {"dtype": self.dtype}
            task(typed(task, settings), folder)
            found[name] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        return found

    def judge(self, folder: Path) -> str:
        """What the proofs do not say as they must; nothing if they do."""
        proofs = self.proofs(folder)
        refuted = {name for name, proof in proofs.items() if not proof["holds"]}
        if refuted - {self.proof, *self.also} or (self.proof and self.proof not in refuted):
            told = [(name, proofs[name]["detail"]) for name in refuted]
            return f"{self.proof or 'nothing'} is to fail: {told}"
        said = proofs[self.proof]["detail"] if self.proof else ""
        return "" if self.says in said else f"it does not say {self.says!r}: {said}"


FILES = {"training_ids": "ids.jsonl", "prepare": "data/prepare.json"}
SETTINGS = (
    {**FILES, "trainer": "trainer.jsonl", "served": "served.jsonl"},
    {**FILES, "conversations": "talk.jsonl"},
)


def lay_out(folder: Path, rows: Rows, case: KindCase) -> None:
    """The files that prepare, the probes and the server leave."""
    (folder / "data").mkdir(parents=True)
    pieces = {BEGIN: "<begin>", END: "<end>"}
    ids, talk, trainer, served = [], [], [], []
    for scored in rows:
        labels = [label(scored.trained, at, pieces) for at in range(LABELS)]
        turn = {"turn": 0, "start": 1, "end": 1 + LABELS, "cut": False}
        line = scored.place | {"ids": [BEGIN, *labels], "turns": [turn], "uncovered": "", "cut": False}
        ids.append(line | ({} if scored.read is None else {"liked": scored.read}))
        said = {"dataset": scored.name, "row": scored.row}
        said |= {"messages": [{"role": "assistant", "content": scored.says}]}
        talk.append(said | ({} if scored.tag is None else {"liked": scored.tag}))
        loss, one = scored.loss, {"turn": 0, "logprobs": scored.loss["trainer"]}
        trainer.append(scored.place | {"loss": 1.0, "turns": [one | {"base_logprobs": loss["base"]}]})
        answer = {"turn": 0, "weights": loss["served"], "prompt": loss["served"], "prefilled": 0}
        answer |= {"error": scored.error, "prompt": [] if scored.error else loss["served"]}
        served.append(scored.place | {"error": "", "turns": [answer], "marked": case.marked})
    sets = {name: sum(one.name == name for one in rows) for name in dict.fromkeys(one.name for one in rows)}
    sets = {name: count for name, count in sets.items() if "/" not in name}
    counts = {
        name: {"rows": n + case.added * (not at), "kept": n + case.added * (not at) - case.lost * (not at)}
        for at, (name, n) in enumerate(sets.items())
    }
    prepared = []
    for name, count in sets.items():
        path = folder / f"data/{name}.jsonl"
        path.write_text("{}\n" * count, encoding="utf-8")
        sha256 = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
        part = "validation" if "_validation" in name else "train"
        prepared.append(
            {"name": name, "part": part, "file": f"{name}.jsonl", "rows": count, "sha256_out": sha256}
        )
    (folder / "data/prepare.json").write_text(json.dumps({"datasets": prepared}), encoding="utf-8")
    eligible = {group: sum(one.held_out is held for one in rows) for group, held in GROUPS.items()}
    put(folder / "ids.jsonl", [{"template": "x", "datasets": counts}, *ids, {"pieces": pieces}])
    put(folder / "talk.jsonl", talk)
    put(folder / "trainer.jsonl", [{"compute_dtype": "float32", "eligible": eligible}, *trainer])
    put(folder / "served.jsonl", served)


GROUPS = {"trained": False, "held_out": True}


def label(text: str, at: int, pieces: dict[int, str]) -> int:
    """The id of a label: the first is the whole text, the others are empty."""
    number = 10 + crc32(f"{text}{at}".encode()) % 10**6
    # Byte-level BPE spells a space so.
    pieces[number] = text.replace(" ", "Ġ") if not at else ""
    return number


def put(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def every(rows: Rows, change: Callable[[Scored], Scored]) -> Rows:
    """Each row changed."""
    return [change(one) for one in rows]


def served_as(name: str) -> Callable[[Scored], Scored]:
    """The server has the probabilities of another model."""
    return lambda one: replace(one, loss={**one.loss, "served": one.loss[name]})


def other(one: Scored) -> Scored:
    """The server's weights are of another base."""
    served = [
        value - 1.5 * (crc32(f"{one.says}{at}".encode()) % 2) for at, value in enumerate(one.loss["trainer"])
    ]
    return replace(one, loss={**one.loss, "served": served})


def prefers(one: Scored) -> Scored:
    """The reference is a model that was trained on the pairs already, and further."""
    return replace(one, loss={**one.loss, "base": logs(one.says, -1.0 if "worse" in one.says else 1.0)})


def exchanged(rows: Rows, row: int = 3) -> Rows:
    """The trainer has the two answers of a pair the wrong way round."""
    texts = {one.name: one.trained for one in rows if one.row == row}
    swap = {name: name.removesuffix("/rejected") if "/" in name else f"{name}/rejected" for name in texts}
    return [replace(one, trained=texts[swap[one.name]]) if one.row == row else one for one in rows]


def rounded(one: Scored) -> Scored:
    """A server in bfloat16."""
    served = [value + (0.04 if at % 2 else -0.04) for at, value in enumerate(one.loss["trainer"])]
    return replace(one, loss={**one.loss, "served": served})


def half(one: Scored) -> Scored:
    """A stale merge: the server has half of the training."""
    both = zip(one.loss["trainer"], one.loss["base"], strict=True)
    return replace(one, loss={**one.loss, "served": [(mine + base) / 2 for mine, base in both]})


def _kind_cases() -> dict[str, KindCase]:
    """Name → case; those without `proof` are sound."""
    worse, base = "towards the worse answers", "they are the base model's"
    wrong_way = "the trainer takes the worse answer for the better one"
    return {
        "pairs": KindCase(rows=pairs),
        "pairs, none held out": KindCase(rows=lambda: pairs(held_out=False)),
        "pairs, served in bfloat16": KindCase(rows=lambda: every(pairs(), rounded), dtype="bfloat16"),
        "pairs of which both answers fell, the worse more": KindCase(rows=lambda: pairs(good=-0.1, bad=-0.9)),
        "pairs of which one is not learned": KindCase(
            rows=lambda: [
                replace(one, loss=losses(one.says, 0.0)) if one.row == 2 else one for one in pairs()
            ]
        ),
        "a pair of two equal answers": KindCase(
            rows=lambda: [
                replace(one, says="same", trained="same") if one.row == 1 else one for one in pairs()
            ]
        ),
        "likes": KindCase(rows=rated),
        "likes, none held out": KindCase(rows=lambda: rated(held_out=False)),
        "likes, of which the disliked fell alone": KindCase(rows=lambda: rated(good=0.0, bad=-0.8)),
        "likes, three of four of one kind": KindCase(
            rows=lambda: [one for one in rated() if one.tag or one.row % 4 == 0]
        ),
        "documents": KindCase(rows=documents),
        "documents, none held out": KindCase(rows=lambda: documents(held_out=False)),
        "documents, a server with a mark of its own": KindCase(rows=documents, marked=True),
        "documents, served in bfloat16": KindCase(rows=lambda: every(documents(), rounded), dtype="bfloat16"),
        "documents, held-out ones hardly more likely": KindCase(rows=lambda: documents(bad=0.01)),
        "chosen and rejected exchanged for the trainer": KindCase(
            rows=lambda: exchanged(pairs()), proof="rows", says=wrong_way
        ),
        "chosen and rejected exchanged in every row": KindCase(
            rows=lambda: [one for row in range(1, 9) for one in exchanged(pairs(), row) if one.row == row],
            proof="rows",
            says="in 16 rows the trainer",
        ),
        "trained towards the worse answers": KindCase(
            rows=lambda: pairs(good=-GAIN, bad=GAIN), proof="preference", says=worse
        ),
        "a reference that prefers more than what was trained": KindCase(
            rows=lambda: every(pairs(), prefers), proof="preference", says=worse
        ),
        "a beta that holds the model where it was": KindCase(
            rows=lambda: pairs(good=0.0, bad=0.0),
            proof="loss",
            says="training changed nothing",
            also=("preference",),
        ),
        "the reference is served": KindCase(
            rows=lambda: every(pairs(), served_as("base")), proof="loss", says=base, also=("preference",)
        ),
        "the adapter of pairs is merged onto another base": KindCase(
            rows=lambda: every(pairs(), other),
            proof="loss",
            says="neither the trained model's nor the base's",
            also=("preference",),
        ),
        "a stale merge of pairs is served": KindCase(
            rows=lambda: every(pairs(), half), proof="loss", says="stale merge"
        ),
        "bfloat16 where float32 was proven": KindCase(
            rows=lambda: every(pairs(), rounded), proof="loss", says="the server's numerics"
        ),
        "likes read as dislikes": KindCase(
            rows=lambda: every(rated(), lambda one: replace(one, read=not one.tag)),
            proof="rows",
            says="a disliked one for liked",
            also=("preference",),
        ),
        "trained towards the disliked answers": KindCase(
            rows=lambda: rated(good=-GAIN, bad=GAIN), proof="preference", says="towards the disliked answers"
        ),
        "liked answers alone": KindCase(
            rows=lambda: [one for one in rated() if one.tag], proof="preference", says="liked and disliked"
        ),
        "the reference of likes is served": KindCase(
            rows=lambda: every(rated(), served_as("base")), proof="loss", says=base, also=("preference",)
        ),
        "held-out documents became less likely": KindCase(
            rows=lambda: documents(bad=-0.2),
            proof="perplexity",
            says="made held-out documents no more likely",
        ),
        "the base of pre-training is served": KindCase(
            rows=lambda: every(documents(), served_as("base")),
            proof="loss",
            says=base,
            also=("perplexity",),
        ),
        "the pre-trained adapter is merged onto another base": KindCase(
            rows=lambda: every(documents(), other),
            proof="loss",
            says="neither the trained model's nor the base's",
            also=("perplexity",),
        ),
        "the server reads documents as other tokens": KindCase(
            rows=lambda: every(documents(), lambda one: replace(one, error="other tokens")),
            proof="loss",
            says="other tokens",
        ),
        "a document that the trainer drops": KindCase(
            rows=documents, lost=1, proof="rows", says="LLaMA-Factory reads 8 and keeps 7"
        ),
        "a held-out document among the trained ones": KindCase(
            rows=documents, added=1, proof="rows", says="8 rows were prepared, LLaMA-Factory reads 9"
        ),
    }


KIND_CASES = _kind_cases()


def _trained_with(*edit: str) -> Callable[[Planted], None]:
    """The record of the training shows another setting than the recipe has."""

    def plant(planted: Planted) -> None:
        record = json.loads((planted.run / "hashes.json").read_text(encoding="utf-8"))
        text = record["texts"]["train.yaml"].replace(*edit)
        if text == record["texts"]["train.yaml"]:
            message = f"train.yaml holds no {edit[0]!r}"
            raise ValueError(message)
        sha256 = "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()
        texts, files = record["texts"] | {"train.yaml": text}, record["files"] | {"train.yaml": sha256}
        planted.values("hashes.json", texts=texts, files=files)

    return plant


def _of_recipe_below(planted: Planted) -> None:
    """The base is that of the recipe below, and not its export."""
    link = planted.base
    source, below = link.resolve(), (link.resolve().parent / "inputs/base").resolve()
    link.unlink()
    link.symlink_to(below)
    planted.undo.callback(link.symlink_to, source)
    planted.undo.callback(link.unlink)


def _other_adapter(planted: Planted) -> None:
    """Half of an adapter is another one's: every second update is gone."""
    path = planted.run / "adapter/adapter_model.safetensors"
    spans = [span for name, span in tensors(path).items() if "lora_B" in name][::2]
    planted.patch(path, {start: array("f", [0.0] * ((end - start) // 4)).tobytes() for start, end in spans})


def _swapped_columns(planted: Planted) -> None:
    """dataset_info.json names the worse answers as the better ones."""
    path = planted.run / "data/dataset_info.json"
    old = path.read_bytes()
    planted.undo.callback(path.write_bytes, old)
    info = json.loads(old)
    for entry in info.values():
        columns = entry.get("columns", {})
        if "rejected" in columns:
            columns["chosen"], columns["rejected"] = columns["rejected"], columns["chosen"]
    path.write_text(json.dumps(info), encoding="utf-8")


def _in_place(source: str, target: str) -> Callable[[Planted], None]:
    """The first row of a prepared file stands in place of that of another."""

    def plant(planted: Planted) -> None:
        path = planted.run / target
        old = path.read_bytes()
        planted.undo.callback(path.write_bytes, old)
        first, *_ = (planted.run / source).read_bytes().splitlines(keepends=True)
        path.write_bytes(first + old.partition(b"\n")[2])

    return plant


DPO, KTO, PRETRAIN = "conch_dpo", "conch_kto", "conch_pretrain"
STORIES, PAIRS, LIKES = (f"data/conch_{name}.jsonl" for name in ("stories", "preferences", "likes"))
NOTHING_MERGED = _as_base(lambda _: True)
_BASE = ("the export is the base model",)
_DATA = ("the training data",)
_YAML = ("train.yaml",)
KIND_FAULTS = (
    RunFault("dpo-swapped-columns", _swapped_columns, "rows", ("takes the worse answer",), recipe=DPO),
    RunFault(
        "dpo-other-beta", _trained_with("pref_beta: 0.1", "pref_beta: 5.0"), "hashes", _YAML, recipe=DPO
    ),
    RunFault("dpo-base-of-the-recipe-below", _of_recipe_below, "hashes", ("base",), ("merge",), recipe=DPO),
    RunFault("dpo-adapter-half-lost", _other_adapter, "merge", (), ("hashes",), recipe=DPO),
    RunFault("dpo-export-is-the-reference", NOTHING_MERGED, "merge", _BASE, recipe=DPO),
    RunFault(
        "kto-other-weights",
        _trained_with("kto_rejected_weight: 1.0", "kto_rejected_weight: 0.0"),
        "hashes",
        _YAML,
        recipe=KTO,
    ),
    RunFault(
        "kto-flipped-tag",
        lambda planted: planted.text(LIKES, ('"kto_tag":true', '"kto_tag":false')),
        "hashes",
        _DATA,
        ("rows",),
        recipe=KTO,
    ),
    RunFault("kto-stale-merge", _stale, "merge", ("stale merge",), ("hashes",), recipe=KTO),
    RunFault(
        "pretrain-held-out-document-trained",
        _in_place(STORIES.replace(".", "_validation."), STORIES),
        "rows",
        ("the file was changed since",),
        ("hashes",),
        recipe=PRETRAIN,
    ),
    RunFault(
        "pretrain-other-blocks",
        _trained_with("cutoff_len: 64", "cutoff_len: 128"),
        "hashes",
        _YAML,
        recipe=PRETRAIN,
    ),
    RunFault("pretrain-not-merged", NOTHING_MERGED, "merge", _BASE, recipe=PRETRAIN),
    RunFault(
        "pretrain-other-base",
        _other_revision,
        "hashes",
        ("another revision of the base",),
        ("merge",),
        recipe=PRETRAIN,
    ),
)
KIND_LIVE_FAULTS = tuple(
    LiveFault(
        f"{recipe}-base-served",
        "loss",
        ("they are the base model's",),
        also=(proof,),
        model="inputs/base",
        recipe=recipe,
    )
    for recipe, proof in ((DPO, "preference"), (KTO, "preference"), (PRETRAIN, "perplexity"))
)
SOUND_RUNS = (PRETRAIN, "conch_sft", DPO, KTO)
