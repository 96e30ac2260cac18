"""What LLaMA-Factory's trainers make of a few settings, as JSON. Run by the train environment's Python."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from types import SimpleNamespace

import torch
from llamafactory.hparams import get_train_args
from llamafactory.train.dpo.trainer import CustomDPOTrainer
from llamafactory.train.kto.trainer import CustomKTOTrainer
from transformers import Trainer

CPU = SimpleNamespace(device=torch.device("cpu"), reduce=lambda tensor, _: tensor)


def preference_losses(name: str) -> list[float]:
    """The loss of three pairs by the trainer that `pref_loss: NAME` makes."""
    settings = {
        "model_name_or_path": sys.argv[1],
        "stage": "dpo",
        "do_train": True,
        "dataset": "x",
        "dataset_dir": ".",
    }
    settings |= {"template": "deepseekr1", "output_dir": "out", "use_cpu": True, "finetuning_type": "lora"}
    *_, finetuning, _ = get_train_args(settings | {"pref_loss": name})
    trainer = object.__new__(CustomDPOTrainer)
    vars(trainer).update(
        accelerator=CPU,
        finetuning_args=finetuning,
        loss_type=finetuning.pref_loss,
        beta=finetuning.pref_beta,
        simpo_gamma=finetuning.simpo_gamma,
        label_smoothing=finetuning.dpo_label_smoothing,
        bco_gemma=finetuning.pref_bco_weight,
        reference_free=False,
        f_divergence_type="reverse_kl",
        f_divergence_params=None,
    )
    chosen, rejected, base = (
        torch.tensor([-1.0, -3.0, -9.0]),
        torch.tensor([-2.0, -1.0, -30.0]),
        torch.zeros(3),
    )
    return [
        round(loss, 6) for loss in trainer.compute_preference_loss(chosen, rejected, base, base)[0].tolist()
    ]


def kto_log(first: str) -> dict[str, float]:
    """What the KTO trainer logs of two batches whose KL was 1 and 2."""
    trainer = object.__new__(CustomKTOTrainer)
    stored: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    stored["eval" if first == "eval_loss" else "train"]["kl"] = [1.0, 2.0]
    vars(trainer).update(accelerator=CPU, _stored_metrics=stored)
    logged: dict[str, float] = {}
    kept, Trainer.log = Trainer.log, lambda _, logs, *args: logged.update(logs)  # noqa: ARG005
    try:
        trainer.log({first: 0.5})
    finally:
        Trainer.log = kept
    return logged


losses = {
    name: preference_losses(name) for name in ("sigmoid", "hinge", "kto_pair", "ipo", "cpo", "orpo", "simpo")
}
json.dump({"losses": losses, "kto": {name: kto_log(name) for name in ("loss", "eval_loss")}}, sys.stdout)
