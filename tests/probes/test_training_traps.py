"""What LLaMA-Factory's own trainers make of settings that mean something else, and what Conch answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.backends.trainer_log import read_state
from orchestrator.errors import UsageError
from orchestrator.execute.models import demo_model
from orchestrator.plan.kinds.dpo import MISTRAINED
from tests.plan.test_plan import job_of
from tests.probes.run_folder import run_python


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory, train_python: Path) -> Any:
    """Measured once: the import takes most of the time."""
    script, folder = Path(__file__).with_name("training_traps.py"), tmp_path_factory.mktemp("traps")
    done = run_python(train_python, [str(script), str(demo_model.ensure_embedded(print))], folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.real
def test_losses_that_are_trained_as_sigmoid_are_refused(facts: Any) -> None:
    """hinge, kto_pair and an unknown one to the last digit; ipo on averages, which are given here."""
    losses = facts["losses"]
    for name in ("hinge", "kto_pair", "ipo", "cpo"):
        assert losses[name] == losses["sigmoid"], name
    assert losses["orpo"] != losses["sigmoid"] != losses["simpo"]
    assert set(MISTRAINED) == {"hinge", "kto_pair", "ipo"}
    for name in (*MISTRAINED, "cpo"):
        with pytest.raises(UsageError):
            job_of("conch_dpo", "cpu", f"preference.loss={name}")


@pytest.mark.real
def test_the_kl_of_validation_rows_is_told_from_that_of_trained_ones(facts: Any) -> None:
    """KTO logs both as kl, each a sum over batches."""
    assert [facts["kto"][name]["kl"] for name in ("loss", "eval_loss")] == [3.0, 3.0]
    history = [{"step": 1, **logs} for logs in facts["kto"].values()]
    found = read_state(json.dumps({"log_history": history}))
    assert (found["kl"], found["eval_kl"]) == ([(1, 3.0)], [(1, 3.0)])
