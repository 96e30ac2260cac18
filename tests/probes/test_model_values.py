"""The probes of ppo, as far as no engine is needed; with the real ones: tests/e2e/test_ppo.py."""
# Covers probes/model_values.py probes/answer_rewards.py probes/engines/start_ppo.py

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Probe = Callable[[str], ModuleType]


def test_long_rows_and_rows_from_everywhere_are_compared(probe: Probe, tmp_path: Path) -> None:
    lengths = [*range(2, 42), 5000, 1]
    lines: list[object] = [{"template": "x"}]
    lines += [{"dataset": "q", "row": at, "ids": [7] * length} for at, length in enumerate(lengths)]
    path = tmp_path / "ids.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    chosen = probe("model_values").chosen(path)
    assert [len(row["ids"]) for row in chosen] == [41, 40, 39, 38, 2, 12, 22, 32]


@dataclass
class Template:
    """Encodes a turn as its length, and an end of 9."""

    efficient_eos: bool = False
    seen: list[Any] = field(default_factory=list)

    def encode_oneturn(
        self, _: object, messages: Sequence[Any], system: str | None, __: object
    ) -> tuple[list[int], list[int]]:
        self.seen = [system, *messages]
        return [len(messages)], [1] if self.efficient_eos else [1, 9]


class Tokenizer:
    """Its end of a text."""

    eos_token_id = 9


def answered(**changes: object) -> dict[str, object]:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
    row = {"messages": messages, "predict": "hello", "thinking": "", "finish_reason": "stop"}
    return row | changes


def test_an_answer_is_encoded_behind_its_conversation(probe: Probe) -> None:
    template, encoded = Template(), probe("answer_rewards").encoded
    assert encoded(answered(thinking="hm"), Tokenizer(), template) == [2, 1, 9]
    system, *_, answer = template.seen
    assert (system, answer["content"]) == ("Be brief.", "<think>\nhm\n</think>\n\nhello")
    assert encoded(answered(), Tokenizer(), Template(efficient_eos=True)) == [2, 1, 9]


def test_an_answer_that_was_cut_off_has_no_end(probe: Probe) -> None:
    cut = answered(finish_reason="length")
    assert probe("answer_rewards").encoded(cut, Tokenizer(), Template()) == [2, 1]


def test_what_trl_lacks_is_put_in_its_place_before_llamafactory_starts(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = {name: ModuleType(name) for name in ("trl", "trl.models", "trl.models.utils")}
    tuner, started = ModuleType("llamafactory.train.tuner"), []
    modules["trl.models"].utils = modules["trl.models.utils"]  # type: ignore[attr-defined]
    tuner.run_exp = lambda: started.append(  # type: ignore[attr-defined]
        sorted(name for name in vars(modules["trl.models.utils"]) if name.startswith("prepare"))
    )
    for name in ("llamafactory", "llamafactory.train"):
        modules[name] = ModuleType(name)
    for name, module in {**modules, tuner.__name__: tuner}.items():
        monkeypatch.setitem(sys.modules, name, module)
    starter = probe("start_ppo")
    starter.main()
    assert started == [["prepare_deepspeed", "prepare_fsdp"]]
    with pytest.raises(NotImplementedError, match="trains ppo alone"):
        starter.absent()


@pytest.mark.parametrize(("stage", "kept"), [("rm", True), ("sft", True), ("ppo", False)])
def test_the_critic_s_head_is_not_taken_for_a_reward_model_s(
    probe: Probe, tmp_path: Path, stage: str, *, kept: bool
) -> None:
    head, settings = tmp_path / "value_head.safetensors", tmp_path / "train.yaml"
    settings.write_text(f"stage: {stage}\n", encoding="utf-8")
    reward_head = probe("merge_check").reward_head
    assert reward_head(str(settings), tmp_path) is None
    head.touch()
    assert (reward_head(str(settings), tmp_path) == head) is kept
    assert reward_head("", tmp_path) == head  # without settings, as `conch prove` of an earlier run
