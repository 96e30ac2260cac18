"""LLaMA-Factory 0.9.5: the YAML of `llamafactory-cli train` and `export`; what it writes: trainer_log.py.

Covered: every kind in plan/kinds/, by every method in plan/methods/. Not covered: multi-node launch.
Source: 0.9.5 (hparams/, train/callbacks.py, train/tuner.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.backends.base import yaml_text
from orchestrator.backends.options.llamafactory import OPTIONS
from orchestrator.datasets.base import PT, SFT
from orchestrator.evaluation.trainer_metrics import HELD_OUT, WATCHED
from orchestrator.plan import methods
from orchestrator.plan.stage import Command, Runtime, partial

if TYPE_CHECKING:
    from orchestrator.plan.job import Job

# template.thinking of a recipe → enable_thinking.
THINKING: dict[str, bool | None] = {"on": True, "off": False, "mixed": None}


def train_yaml(job: Job) -> str:
    """The file for `llamafactory-cli train`; the probe that proves the data also reads it."""
    train, data = job.recipe.train, job.recipe.data
    settings: dict[str, object] = {
        "model_name_or_path": "inputs/base",
        "trust_remote_code": False,
        **job.kind.train_settings(job.recipe),
        "do_train": True,
        **methods.train_settings(job.recipe),
        "dataset_dir": "data",
        "dataset": ",".join(dataset.name for dataset in job.datasets),
        **template_settings(job),
        "cutoff_len": data.cutoff_len,
        "max_samples": data.max_samples,
        "preprocessing_num_workers": 1,
        "output_dir": partial("adapter"),
        "overwrite_output_dir": True,
        "logging_steps": train.logging_steps,
        **_checkpoints(job),
        "plot_loss": True,
        "report_to": "none",
        "per_device_train_batch_size": train.batch_size,
        "gradient_accumulation_steps": train.gradient_accumulation,
        "learning_rate": train.learning_rate,
        "num_train_epochs": train.epochs,
        "max_steps": train.max_steps,
        "lr_scheduler_type": train.scheduler,
        "warmup_ratio": None if train.warmup_steps is not None else train.warmup_ratio,
        "warmup_steps": train.warmup_steps,
        "weight_decay": train.weight_decay,
        "max_grad_norm": train.max_grad_norm,
        "disable_gradient_checkpointing": not train.gradient_checkpointing,
        "seed": train.seed,
        **_compute(job),
        **_validation(job),
    }
    # A raw value overrides the settings above that no recipe key controls; owned keys were refused.
    return _dump({**settings, **OPTIONS.rendered(job.recipe.llamafactory)})


def repacks_rows(job: Job) -> bool:
    """Whether a training's examples are not its rows: interleaved datasets, or packed rows."""
    packs = job.kind.purpose == PT or job.recipe.train.packing != "off"
    return packs or job.recipe.llamafactory.get("mix_strategy", "concat") != "concat"


def export_yaml(job: Job) -> str:
    """The file for `llamafactory-cli export`: the adapter merged into the base, as safetensors."""
    settings: dict[str, object] = {
        **methods.export_settings(job.recipe, job.adapter),
        "trust_remote_code": False,
        **template_settings(job),
        # "auto" would merge a float32 model in half precision (train/tuner.py).
        "infer_dtype": job.dtype,
        "export_dir": partial("export"),
        "export_size": job.recipe.export.shard_size_gb,
        "export_device": "cpu",
        **job.kind.export_settings(job.recipe),
    }
    return _dump(settings)


def template_settings(job: Job) -> dict[str, object]:
    """The settings that decide a training row's tokens.

    `history: keep` means `mask_history: false`: every assistant turn is trained, with its thoughts
    (template.py, encode_multiturn).
    """
    template = job.recipe.template
    settings = _tokens(template.name, template.thinking, template.history)
    # Refused for other stages, which train the last answer alone (hparams/finetuning_args.py).
    return settings if job.kind.purpose == SFT else {**settings, "mask_history": None}


def probe_yaml(dataset: str, template: str, thinking: str, history: str) -> str:
    """A train.yaml for a probe without a recipe, which encodes rows without truncation and trains nothing."""
    settings = {
        "model_name_or_path": "inputs/base",
        "trust_remote_code": False,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "dataset_dir": "data",
        "dataset": dataset,
        **_tokens(template, thinking, history),
        "cutoff_len": 1 << 20,
        "preprocessing_num_workers": 1,
        "output_dir": "adapter",
        "report_to": "none",
    }
    return _dump(settings)


def _tokens(template: str, thinking: str, history: str) -> dict[str, object]:
    return {
        "template": template,
        "enable_thinking": THINKING[thinking],
        "mask_history": history == "strip",
    }


def _checkpoints(job: Job) -> dict[str, object]:
    """When a training is saved; below 1, save_steps is a share of all steps (transformers).

    On SIGTERM it saves at the next step and ends (transformers, trainer_jit_checkpoint.py).
    """
    steps = job.checkpoint_steps
    if not steps:
        return {"save_strategy": "no"}
    return {
        "save_strategy": "steps",
        "save_steps": steps,
        "save_total_limit": 2,
        "enable_jit_checkpoint": True,
    }


def _compute(job: Job) -> dict[str, object]:
    settings: dict[str, object] = {
        "bf16": job.compute_type == "bf16",
        "fp16": job.compute_type == "fp16",
    }
    if job.hardware == "cpu":
        settings["use_cpu"] = True
    return settings


def _validation(job: Job) -> dict[str, object]:
    """The loss on validation rows of Conch's own split: LLaMA-Factory's val_size splits groups of rows."""
    names = job.names_of("validation")
    if not names:
        return {}
    train = job.recipe.train
    return {
        "eval_dataset": ",".join(names),
        "eval_strategy": "steps",
        "eval_steps": train.save_steps or train.checkpoint_steps or 10,
        "per_device_eval_batch_size": train.batch_size,
        **_best(job),
    }


def _best(job: Job) -> dict[str, object]:
    """Early stopping with the best adapter.

    Checkpoints and validations are at the same steps (transformers requires it for load_best_model_at_end).
    """
    patience = job.recipe.train.early_stopping
    if patience is None:
        return {}
    watched = WATCHED.get(job.recipe.train.kind)
    return {
        "early_stopping_steps": patience,
        "load_best_model_at_end": True,
        "metric_for_best_model": HELD_OUT + (watched.key if watched else "loss"),
        "greater_is_better": bool(watched and watched.rises),
    }


def _dump(settings: dict[str, object]) -> str:
    rendered = {
        key: value for key, value in settings.items() if value is not None or key == "enable_thinking"
    }
    return yaml_text(rendered)


_ENV = {"GRADIO_ANALYTICS_ENABLED": "False", "RECORD_VRAM": "1"}


def command(verb: str, path: str, *overrides: str) -> Command:
    """`llamafactory-cli VERB PATH KEY=VALUE…` in the train environment, with telemetry turned off."""
    argv = ("{train}/bin/llamafactory-cli", verb, path, *overrides)
    return Command(argv=argv, runtime=Runtime.TRAIN, env=_ENV)


def train_command(job: Job, path: str, *overrides: str) -> Command:
    """`llamafactory-cli train PATH KEY=VALUE…` in the environment that trains the job."""
    if job.trainer is Runtime.TRAIN:
        return command("train", path, *overrides)
    one = trainer_probe(job, f"engines/start_{job.trainer}.py", path, *overrides)
    return replace(one, env={**_ENV, **one.env})


def trainer_probe(job: Job, script: str, *words: str) -> Command:
    """A probe in the environment that trains the job.

    Its parts outside of `train` are not those that LLaMA-Factory asks for, so it must not look.
    """
    argv = (f"{{{job.trainer}}}/bin/python", f"{{probes}}/{script}", *words)
    env = {} if job.trainer is Runtime.TRAIN else {"DISABLE_VERSION_CHECK": "1"}
    return Command(argv=argv, runtime=job.trainer, env=env)


def resumed(command: Command, checkpoint: str, *, last_step: int | None = None) -> Command:
    """The same training, resumed from a checkpoint (hparams/parser.py, read_args: KEY=VALUE overrides FILE).

    LLaMA-Factory uses a named checkpoint even if newer ones exist; overwriting the output would lose its
    trainer_log.jsonl. `last_step` ends the training there.
    """
    more = [f"resume_from_checkpoint={checkpoint}", "overwrite_output_dir=false"]
    if last_step is not None:
        more.append(f"max_steps={last_step}")
    return replace(command, argv=(*command.argv, *more))
