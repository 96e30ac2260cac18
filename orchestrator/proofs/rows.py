"""rows: LLaMA-Factory's own loader keeps every row that was prepared.

Holds if each prepared dataset is unchanged, and the rows that the loader read, those that it kept, and those
in prepare.json are the same number, and if the trainer takes no worse answer of a pair for the better one,
and no disliked answer for a liked one. Rows that are not so are named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.proofs.findings import Findings
from orchestrator.results import Proof, Sentence, joined

NAME = "rows"
MISSING, COUNT, SWAPPED = "missing", "count", "swapped"
_HINT = Sentence(
    "check the row in its source and in data/, fix it, and prepare the data again",
    "检查源文件和 data/ 中的这一行，修正后重新准备数据",
)
_SWAPPED = Sentence(
    "the trainer takes the worse answer for the better one, or a disliked one for liked",
    "训练器把较差的回答当成更好的，或把不喜欢的当成喜欢的",
)
_COLUMNS = Sentence(
    "check chosen, rejected and kto_tag in data/dataset_info.json, and prepare the data again",
    "请检查 data/dataset_info.json 中的 chosen、rejected 和 kto_tag，再重新准备数据",
)
_NO_ROW = Sentence("no row was prepared", "没有准备任何数据")
_PARTS = {"train": "训练", "validation": "验证", "test": "测试"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A prepared dataset, and what the trainer's loader did with it.

    Attributes:
        prepared: its rows in prepare.json. read, kept: the loader's counts; None if it did not load it.
        missing: locations (file:line) of the rows that the loader does not have.
        changed: the file differs from the prepared one.
    """

    name: str
    part: str
    prepared: int
    read: int | None
    kept: int | None
    missing: Sequence[str] = ()
    changed: bool = False

    @property
    def whole(self) -> bool:
        """Whether every row is there, and no other."""
        return self.prepared == self.read == self.kept and not self.changed


def prove(datasets: Iterable[Loaded], swapped: Sequence[str] = ()) -> Proof:
    """Whether no row was lost between the datasets and the trainer, and none taken for its contrary.

    `swapped`: locations of the rows whose two answers, or whose rating, the trainer has the wrong way round.
    """
    sets, found = list(datasets), Findings()
    torn = [one for one in sets if not one.whole]
    for each in torn:
        found.add(COUNT, _lost(each), f"data/{each.name}.jsonl", _HINT)
        dropped = Sentence(
            f"LLaMA-Factory drops this row of {each.name}", f"LLaMA-Factory 丢弃了 {each.name} 的这一行"
        )
        for location in each.missing:
            found.add(MISSING, dropped, location, _HINT)
    for location in swapped:
        found.add(SWAPPED, _SWAPPED, location, _COLUMNS)
    rows = Counter[str]()
    for one in sets:
        rows[one.part] += one.prepared
    listed = joined(
        [Sentence(f"{n} for {part}", f"{_PARTS.get(part, part)} {n} 行") for part, n in rows.items()],
        ", ",
        "，",
    )
    total = rows.total()
    return Proof(
        name=NAME,
        holds=bool(sets) and not torn and not swapped,
        covered=Sentence(
            f"{total} prepared rows ({listed or 'none'}), as LLaMA-Factory's own loader counts them",
            f"已准备的 {total} 行（{listed.zh or '无'}），以 LLaMA-Factory 自己的加载器计数",
        ),
        numbers={
            "rows": total,
            **{f"rows_{part}": number for part, number in rows.items()},
            "missing": sum(max(0, one.prepared - (one.kept or 0)) for one in torn),
        },
        detail=joined([_reversed(found), _detail(torn, found)]) if sets else _NO_ROW,
        hint=_COLUMNS if swapped else _HINT if torn else "",
        findings=found.listed(),
    )


def _reversed(found: Findings) -> Sentence:
    if not (number := found.counts[SWAPPED]):
        return Sentence()
    what = Sentence(f"in {number} rows {_SWAPPED}", f"{number} 行中，{_SWAPPED.zh}")
    return joined([what, found.locations(SWAPPED)], ": ", "：")


def _detail(torn: Sequence[Loaded], found: Findings) -> Sentence:
    locations = found.locations(MISSING) if found.counts[MISSING] else ""
    return joined([joined(map(_lost, torn)), locations], ": ", "：")


def _lost(each: Loaded) -> Sentence:
    name, prepared = each.name, each.prepared
    if each.read is None:
        return Sentence(
            f"{name}: {prepared} rows were prepared, but the loader did not load them",
            f"{name}：准备了 {prepared} 行，但加载器没有加载它们",
        )
    parts = [
        Sentence(
            f"{name}: {prepared} rows were prepared, LLaMA-Factory reads {each.read}",
            f"{name}：准备了 {prepared} 行，LLaMA-Factory 读到 {each.read} 行",
        )
    ]
    if each.kept != each.read:
        parts = [joined([*parts, Sentence(f"and keeps {each.kept}", f"保留 {each.kept} 行")], " ", "，")]
    if each.changed:
        parts.append(Sentence("the file was changed since", "此后文件被修改过"))
    return joined(parts)
