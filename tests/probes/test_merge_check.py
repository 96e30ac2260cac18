"""The merge proof on real small files: a right merge holds in every dtype, a wrong export is named."""
# Covers probes/lora.py probes/merge_rows.py probes/weights.py

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orchestrator.proofs import merge
from orchestrator.results import Proof
from tests.probes import tiny_models as tiny
from tests.probes.run_folder import PROBES, run_python

pytestmark = pytest.mark.real  # torch of the train environment; a second or two each

HALF = "model.layers.1.mlp.up_proj"


@dataclass(frozen=True)
class Checked:
    """A run folder with base, adapter and export in it, and the probe."""

    path: Path
    python: Path

    def lay_out(
        self, *, export: tiny.Model | None = None, update: tiny.Model | None = None, **how: Any
    ) -> None:
        """A right run: base, adapter, and the export that it makes, but for what is given."""
        base, update = tiny.base_model(), tiny.adapter() if update is None else update
        tiny.write_model(self.path / "base", base, how.get("base_dtype", "F32"))
        tiny.write_adapter(self.path / "adapter", update, **how.get("config", {}))
        made = tiny.merged(base, update) if export is None else export
        tiny.write_model(self.path / "export", made, how.get("dtype", "F32"), shards=how.get("shards", 1))

    def run(self, method: str = "lora") -> subprocess.CompletedProcess[str]:
        argv = [str(PROBES / "merge_check.py"), "--method", method, "--out", "facts.json"]
        for name in ("base", "adapter", "export"):
            argv += [f"--{name}", name]
        return run_python(self.python, argv, self.path)

    def proof(self, method: str = "lora") -> Proof:
        done = self.run(method)
        assert done.returncode == 0, done.stderr
        return merge.prove(self.facts())

    def facts(self) -> Any:
        return json.loads((self.path / "facts.json").read_text(encoding="utf-8"))


@pytest.fixture
def checked(tmp_path: Path, train_python: Path) -> Checked:
    return Checked(tmp_path / "run", train_python)


@pytest.fixture
def wrong(checked: Checked) -> Callable[[tiny.Model], Proof]:
    def prove(export: tiny.Model) -> Proof:
        checked.lay_out(export=export)
        proof = checked.proof()
        assert not proof.holds
        assert proof.hint
        return proof

    return prove


@pytest.fixture
def wrong_adapter(checked: Checked) -> Callable[[tiny.Model], Proof]:
    def prove(update: tiny.Model) -> Proof:
        checked.lay_out(update=update, export=tiny.base_model())
        proof = checked.proof()
        assert not proof.holds
        return proof

    return prove


@pytest.mark.parametrize(
    ("base", "dtype"), [("F32", "F32"), ("F32", "BF16"), ("F32", "F16"), ("BF16", "F32")]
)
def test_a_right_merge_holds_in_every_dtype(checked: Checked, base: str, dtype: str) -> None:
    if base == "BF16":  # the sum is rounded to the base's dtype before it is written in another
        rounded = tiny.round_model(tiny.base_model())
        export = tiny.round_model(tiny.merged(rounded, tiny.adapter()))
        checked.lay_out(export=export, base_dtype=base, dtype=dtype)
    else:
        checked.lay_out(dtype=dtype, shards=3)
    proof = checked.proof()
    assert proof.holds, proof.detail
    assert proof.numbers["modules"] == len(tiny.MODULES)
    assert proof.numbers["least_fit"] == pytest.approx(1, abs=0.02)
    assert "11 tensors" in proof.covered


def test_an_export_that_is_the_base(wrong: Callable[[tiny.Model], Proof]) -> None:
    proof = wrong(tiny.base_model())
    assert "the export is the base model: none of the 6 trained updates" in proof.detail


def test_a_stale_merge(wrong: Callable[[tiny.Model], Proof]) -> None:
    proof = wrong(tiny.merged(tiny.base_model(), tiny.adapter(seed="the training before")))
    assert "another adapter's update, of rank 2: a stale merge" in proof.detail
    assert "6 of 6" in proof.detail


def test_another_revision_of_the_base(wrong: Callable[[tiny.Model], Proof]) -> None:
    proof = wrong(tiny.merged(tiny.base_model("another revision"), tiny.adapter()))
    assert "another base or another revision" in proof.detail
    assert "model.embed_tokens.weight" in proof.detail


def test_another_base_that_shares_its_norms(wrong: Callable[[tiny.Model], Proof]) -> None:
    mine, other = tiny.base_model(), tiny.base_model("other")
    mixed = {name: (other if "proj" in name else mine)[name] for name in mine}
    assert "neither the base's weights nor the merge's" in wrong(tiny.merged(mixed, tiny.adapter())).detail


def test_one_module_is_not_merged(wrong: Callable[[tiny.Model], Proof]) -> None:
    proof = wrong(tiny.merged(tiny.base_model(), tiny.adapter(), but=[HALF]))
    assert f"{HALF} (1 of 6) are not merged" in proof.detail
    assert [finding["tensor"] for finding in proof.findings] == [f"{HALF}.weight"]


def test_some_rows_are_not_merged(wrong: Callable[[tiny.Model], Proof]) -> None:
    base, export = tiny.base_model(), tiny.merged(tiny.base_model(), tiny.adapter())
    name = f"{HALF}.weight"
    export[name] = [*base[name][:20], *export[name][20:]]
    assert "merged in part" in wrong(export).detail


def test_another_alpha(wrong: Callable[[tiny.Model], Proof]) -> None:
    proof = wrong(tiny.merged(tiny.base_model(), tiny.adapter(), scale=16 / tiny.RANK))
    assert "carry 2 times the update (lora_alpha 16 instead of 8)" in proof.detail


def test_numbers_that_are_none(wrong: Callable[[tiny.Model], Proof]) -> None:
    export = tiny.merged(tiny.base_model(), tiny.adapter())
    export["model.norm.weight"] = [[float("nan")] * tiny.WIDTH]
    assert "infinite or undefined numbers in model.norm.weight" in wrong(export).detail


def test_an_adapter_that_touched_nothing(wrong_adapter: Callable[[tiny.Model], Proof]) -> None:
    assert "affects no module" in wrong_adapter({f"{tiny.PREFIX}lora_none": [[0.0]]}).detail
    zero = {
        key: [[0.0] * len(row) for row in rows] if "lora_B" in key else rows
        for key, rows in tiny.adapter().items()
    }
    assert "the update of each of its 6 modules is zero" in wrong_adapter(zero).detail


def test_an_adapter_of_another_base(checked: Checked) -> None:
    update = {key.replace("mlp", "feed_forward"): rows for key, rows in tiny.adapter().items()}
    checked.lay_out(update=update, export=tiny.base_model())
    assert "feed_forward" in checked.proof().detail


def test_a_shard_of_another_export(checked: Checked) -> None:
    checked.lay_out(shards=3)
    file = "model-00002-of-00003.safetensors"
    right = (checked.path / "export" / file).read_bytes()
    other = tiny.merged(tiny.base_model(), tiny.adapter(seed="another run"))
    tiny.write_model(checked.path / "other", other, shards=3)
    (checked.path / "export" / file).write_bytes((checked.path / "other" / file).read_bytes())
    assert f"{file} is another export's shard" in checked.proof().detail
    (checked.path / "export" / file).write_bytes(right)
    assert checked.proof().holds


def test_a_shard_that_is_cut_or_gone(checked: Checked) -> None:
    checked.lay_out(shards=3)
    shard = checked.path / "export" / "model-00003-of-00003.safetensors"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-100])
    proof = checked.proof()
    assert not proof.holds
    assert "model-00003-of-00003.safetensors is cut short" in proof.detail
    shard.unlink()
    assert "model-00003-of-00003.safetensors No such file" in checked.proof().detail


def test_scale_is_that_of_rslora_and_of_patterns(checked: Checked) -> None:
    base, update = tiny.base_model(), tiny.adapter()
    checked.lay_out(
        export=tiny.merged(base, update, scale=tiny.ALPHA / tiny.RANK**0.5), config={"use_rslora": True}
    )
    assert checked.proof().holds
    apart = {key: rows for key, rows in update.items() if HALF in key}
    rest = {key: rows for key, rows in update.items() if HALF not in key}
    export = tiny.merged(tiny.merged(base, rest), apart, scale=3 / tiny.RANK)
    checked.lay_out(export=export, config={"alpha_pattern": {"layers.1.mlp.up_proj": 3}})
    assert checked.proof().holds
    checked.lay_out(export=export)
    assert HALF in checked.proof().detail


def test_weights_that_are_kept_the_other_way_round(checked: Checked) -> None:
    base, update = tiny.base_model(), tiny.adapter()
    right = tiny.merged(base, update)
    turned = [
        {name: tiny.turned(rows) if "proj" in name else rows for name, rows in model.items()}
        for model in (base, right)
    ]
    checked.lay_out(export=turned[1], config={"fan_in_fan_out": True})
    tiny.write_model(checked.path / "base", turned[0])
    assert checked.proof().holds


def test_tables_and_tensors_that_are_saved_whole(checked: Checked) -> None:
    base, update = tiny.base_model(), tiny.adapter()
    a, b = tiny.matrix(tiny.RANK, 32, "A"), tiny.matrix(tiny.WIDTH, tiny.RANK, "B")
    update["base_model.model.model.embed_tokens.lora_embedding_A"] = a
    update["base_model.model.model.embed_tokens.lora_embedding_B"] = b
    update["base_model.model.model.norm.weight"] = tiny.matrix(1, tiny.WIDTH, "saved whole")
    export = tiny.merged(
        base, {key: rows for key, rows in update.items() if "embed" not in key and "norm" not in key}
    )
    table = base["model.embed_tokens.weight"]
    export["model.embed_tokens.weight"] = tiny.add(
        table, tiny.turned(tiny.product(b, a)), tiny.ALPHA / tiny.RANK
    )
    checked.lay_out(export=export, update=update)
    assert "model.norm.weight (1 of 8)" in checked.proof().detail
    export["model.norm.weight"] = update["base_model.model.model.norm.weight"]
    export["lm_head.weight"] = export["model.embed_tokens.weight"]  # a tied head that is stored all the same
    checked.lay_out(export=export, update=update)
    assert checked.proof().holds


def test_a_variant_is_said_to_be_not_covered(checked: Checked) -> None:
    checked.lay_out(config={"use_qalora": True})
    proof = checked.proof()
    assert proof.holds
    assert "6 modules: use_qalora" in proof.not_covered


def test_a_full_training_is_exported_as_it_is(checked: Checked) -> None:
    trained = tiny.merged(tiny.base_model(), tiny.adapter())
    checked.lay_out(dtype="BF16")
    tiny.write_model(checked.path / "adapter", trained)
    proof = checked.proof("full")
    assert proof.holds, proof.detail
    tiny.write_model(checked.path / "export", tiny.base_model(), "BF16")
    assert "the export is the base model" in checked.proof("full").detail
    tiny.write_model(checked.path / "adapter", tiny.base_model())
    assert "training changed none of its 11 tensors" in checked.proof("full").detail


def test_a_folder_that_is_not_there_is_a_fact(checked: Checked) -> None:
    checked.path.mkdir()
    proof = checked.proof()
    assert not proof.holds
    assert "holds no safetensors weights" in proof.detail


def test_large_tensors_are_sampled_and_small_ones_whole(probe: Callable[[str], Any]) -> None:
    sampled = probe("weights").sampled
    stretches = sampled("table", (50000, 576), 0)
    assert len(stretches) == 16
    assert stretches == sampled("table", (50000, 576), 0) != sampled("table", (50000, 576), 1)
    assert all(before[1] <= after[0] for before, after in pairwise(stretches))
    assert sum(end - start for start, end in stretches) * 576 > 125_000
    assert sampled("norm", (), 0) == [(0, 1)]
