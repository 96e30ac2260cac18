"""Adapters beside their base: what vLLM would refuse after it has loaded the base is refused before."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from orchestrator.errors import MissingError
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.checkpoints import _ARCHIVES
from orchestrator.execute.runner.lora_adapters import adapter_of
from tests.probes import tiny_models as tiny


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path, "tiny", "20260101-000000-0000")
    folder = run.path / "adapter/checkpoint-4"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text('{"global_step": 4}', encoding="utf-8")
    for name in (*_ARCHIVES, "rng_state.pth"):
        with zipfile.ZipFile(folder / name, "w"):
            pass
    return run


def test_a_plain_adapter_is_served_beside_its_base(run: Run) -> None:
    tiny.write_adapter(run.path / "adapter/checkpoint-4", tiny.adapter(), use_rslora=True)
    assert adapter_of(run, "last").path == "adapter/checkpoint-4"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"use_dora": True}, "it is a DoRA adapter"),
        ({"modules_to_save": ["embed_tokens"]}, "it has modules that are saved whole (embed_tokens)"),
    ],
)
def test_what_must_be_merged_first_is_refused(run: Run, config: dict[str, object], said: str) -> None:
    tiny.write_adapter(run.path / "adapter/checkpoint-4", tiny.adapter(), **config)
    with pytest.raises(MissingError) as caught:
        adapter_of(run, "4")
    assert said in caught.value.problems[0].what
    assert caught.value.problems[0].hint == "use the export"
