"""One tensor of an export against what the merge must give, and what it looks like instead. Needs torch.

What LLaMA-Factory and peft do: the base is loaded in the dtype of its configuration (L), the update E = s·B·A
is computed in float32, L(W) + E is rounded to L, and the sum is cast to the export's dtype (X). So

    |export − (W + E)| ≤ 1.01·(u_L + u_X)·(|W| + |E|) + u_A·|E| + (r + 4)·2⁻²⁴·|s|·(|B|·|A|) + tiny

with u = half of the dtype's eps (a rounding to nearest), once for the load and the sum, once for the cast;
u_A for an adapter in half precision, whose update peft may round to its own dtype; the usual bound of a
float32 sum of r products; and the least number that the dtypes can hold. The right side holds for any order
in which the same operations are done, so a merge on a GPU holds too. In half precision the bound can hide a
small update. So the merge is also fitted: over the values where the rounded merge differs from the rounded
base, the export must have moved by 1.0 times what it should (0.02, and 2/√n for n such values).

A tensor that nothing is merged into is not computed with, only cast: it must be equal, bit by bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokens import Row

if TYPE_CHECKING:
    from torch import Tensor, dtype

FEW = 36  # fewer values in which the update can be seen say nothing of its size
ROWS = 96
BLOCK = 64  # values of a tensor that bitsandbytes quantizes together
EVEN = 0.02  # how far multiples of a step may be from whole ones


@dataclass(frozen=True)
class MergedRows:
    """The same rows of one tensor: exported, and before the merge; and the dtype that the base loads in."""

    export: Tensor
    before: Tensor
    loaded: dtype | None

    def plain(self) -> tuple[Tensor, Tensor]:
        """What the export holds where nothing was merged: cast at once, or over the dtype of loading."""
        straight = self.before.to(self.export.dtype)
        return straight, self.before.to(self.loaded or self.before.dtype).to(self.export.dtype)


def compare_same(sides: MergedRows) -> Row:
    """Whether the export holds the same values, cast: ok, finite, share (of values that differ), off (by)."""
    import torch

    finite = bool(torch.isfinite(sides.export).all())
    straight, over = sides.plain()
    if finite and (torch.equal(sides.export, straight) or torch.equal(sides.export, over)):
        return {"ok": True, "finite": True}
    differ = sides.export != over
    off = (sides.export.float() - over.float()).abs()
    return {
        "ok": False,
        "finite": finite,
        "share": float(differ.float().mean()),
        "off": float(off[off.isfinite()].max()) if bool(off.isfinite().any()) else math.inf,
    }


def compare_merged(
    sides: MergedRows, updates: list[tuple[Tensor, Tensor]], rank: int, adapter_eps: float
) -> Row:
    """Whether the export is the base with the updates merged; what it looks like when it is not.

    Args:
        sides: what is compared.
        updates: (E, |s|·|B|·|A|) in float64 for the same rows.
        rank: of A and B.
        adapter_eps: eps of the adapter's dtype.

    Returns:
        ok, finite, worst (largest difference in bounds), fit (how far it moved; None when it cannot be seen),
        visible (values in which the update can be seen), like_base; and looks when it is not ok.
    """
    import torch

    update, terms = updates[0]
    for more, its_terms in updates[1:]:
        update, terms = update + more, terms + its_terms
    loaded = sides.loaded or sides.before.dtype
    before, export = sides.before.to(loaded).double(), sides.export.double()
    bound = _bound(before, update, terms, (loaded, sides.export.dtype, adapter_eps), rank)
    if not bool(torch.isfinite(export).all()):
        return {"ok": False, "finite": False, "looks": "not finite"}
    merged = (before + update).float().to(loaded).to(sides.export.dtype).double()
    plain = sides.plain()[1].double()
    moves, seen = merged - plain, merged != plain
    visible = int(seen.sum())
    fit = float(((export - plain) * moves).sum() / moves.square().sum()) if visible else None
    slack = 0.02 + 2 / math.sqrt(max(visible, 1))
    ratio = (export - before - update).abs() / bound
    within = bool((ratio <= 1).all())
    found = {
        "ok": within and (fit is None or visible < FEW or abs(fit - 1) <= slack),
        "finite": True,
        "worst": float(ratio.max()) if ratio.numel() else 0.0,
        "fit": fit,
        "visible": visible,
        "like_base": torch.equal(export, plain) or torch.equal(export, sides.plain()[0].double()),
    }
    if not found["ok"]:
        found |= _looks(export - before, update, bound, ratio, found)
    return found


def _bound(
    before: Tensor, update: Tensor, terms: Tensor, dtypes: tuple[dtype, dtype, float], rank: int
) -> Tensor:
    import torch

    loaded, exported, adapter_eps = dtypes
    infos = [torch.finfo(loaded), torch.finfo(exported)]
    units = sum(info.eps for info in infos) / 2
    tiny = sum(info.smallest_normal * info.eps for info in infos)
    half = adapter_eps / 2 if adapter_eps > torch.finfo(torch.float32).eps else 0.0
    size = before.abs() + update.abs()
    return 1.01 * units * size + half * update.abs() + (rank + 4) * 2.0**-24 * terms + tiny


def _looks(moved: Tensor, update: Tensor, bound: Tensor, ratio: Tensor, found: Row) -> Row:
    """What a wrong tensor is: the base's, scaled, merged in part, another adapter's, or other weights."""
    if found["like_base"]:
        return {"looks": "base"}
    size = update.square().sum()
    times = float((moved * update).sum() / size) if float(size) else 0.0
    along = (moved - times * update).abs() <= 2 * bound * max(1.0, abs(times))
    if float(size) and bool(along.all()):
        return {"looks": "scaled", "times": times}
    if update.dim() == 2:  # noqa: PLR2004 - a matrix, not a bias
        right = (ratio <= 1).all(dim=1)
        still = (moved.abs() <= bound).all(dim=1)
        if bool((right | still).all()) and bool(right.any()) and bool(still.any()):
            return {"looks": "part", "share": float((still & ~right).double().mean())}
        rank = _rank(moved, bound)
        if rank:
            cosine = float((moved * update).sum() / (moved.norm() * update.norm() + 1e-300))
            return {"looks": "other adapter", "rank_found": rank, "cosine": cosine}
    return {"looks": "other", "share": float((ratio > 1).double().mean())}


def quantized(sides: MergedRows, updates: list[tuple[Tensor, Tensor]]) -> bool:
    """Whether what the update was added to has few levels: a base that was held in 4 or 8 bits.

    bitsandbytes keeps each 64 values as one of 16 levels times the largest of them; in 8 bits, a row as
    whole multiples of a 127th of its largest. Other weights have about as many levels as values.
    """
    import torch

    rest = sides.export.double() - sum(update for update, _ in updates)
    if rest.dim() != 2 or rest.numel() < BLOCK:  # noqa: PLR2004 - a matrix, not a bias
        return False
    blocks = rest.reshape(-1)[: rest.numel() // BLOCK * BLOCK].reshape(-1, BLOCK)[:ROWS]
    steps = blocks / blocks.abs().amax(dim=1, keepdim=True).clamp_min(1e-30)
    # Levels of four bits are at least 0.07 apart; rounding of the export moves one by far less.
    four = all(torch.unique((row * 50).round()).numel() <= 2**4 for row in steps)
    parts = rest / rest.abs().amax(dim=1, keepdim=True).clamp_min(1e-30) * 127
    return four or float((parts - parts.round()).abs().max()) < EVEN


def _rank(moved: Tensor, bound: Tensor) -> int:
    """The rank of what was added when it is a low one, above the noise of rounding; 0 for any other matrix.

    An adapter adds a matrix of its own rank; other weights differ from the base by one of full rank.
    """
    import torch

    chosen = torch.linspace(0, len(moved) - 1, min(ROWS, len(moved))).long()
    rows = moved[chosen]
    rank = int((torch.linalg.svdvals(rows) > float(bound[chosen].norm())).sum())
    return rank if rank <= min(rows.shape) // 2 else 0
