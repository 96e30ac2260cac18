"""The methods that have a key of their own in a recipe's `train` section."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.plan.methods.base import FREEZE, FULL, LORA, Method, Runs
from orchestrator.recipe.sections import Train

ONLY_LORA, NOT_LORA = frozenset({LORA}), frozenset({FREEZE, FULL})
MERGED = "merged into the base; the proof checks base + scale · B·A in every tensor"
WHOLE = "the trained model is the export; the proof checks that every tensor is the trained one"
NO_CHANGE = "as the method that it goes with"
SFT_ONLY = "LLaMA-Factory packs rows of sft only"


def _lora(train: Train) -> Mapping[str, object]:
    return {
        "lora_rank": train.lora_rank,
        "lora_alpha": train.alpha,
        "lora_dropout": train.lora_dropout,
        "lora_target": train.lora_target,
        "additional_target": train.additional_target,
    }


def _freeze(train: Train) -> Mapping[str, object]:
    return {
        "freeze_trainable_layers": train.llama_pro or train.freeze_layers or 2,
        "freeze_trainable_modules": train.freeze_modules or "all",
    }


def _galore(train: Train) -> Mapping[str, object]:  # noqa: ARG001
    # transformers' default optimizer, the fused AdamW, is not one that LLaMA-Factory's GaLore knows.
    return {"use_galore": True, "optim": "adamw_torch"}


def _packing(train: Train) -> Mapping[str, object]:
    return {"packing": True, "neat_packing": True} if train.packing == "neat" else {"packing": True}


def _packed(name: str, value: str) -> Method:
    return Method(
        name=name,
        recipe=("train.packing", value),
        settings=_packing,
        unfit=dict.fromkeys(("dpo", "kto", "reward", "ppo"), SFT_ONLY)
        | {"pretrain": "documents are always packed"},
        merge=NO_CHANGE,
    )


TRAINED = (
    Method(name="LoRA", recipe=("train.method", LORA), settings=_lora, methods=ONLY_LORA, merge=MERGED),
    Method(
        name="DoRA",
        recipe=("train.dora", True),
        settings=lambda _: {"use_dora": True},
        methods=ONLY_LORA,
        # "DoRA is not compatible with PTQ-quantized models.": LLaMA-Factory 0.9.5 takes bitsandbytes for one.
        without=frozenset({"QLoRA, 4 bits", "QLoRA, 8 bits"}),
        merge="merged into the base; the proof checks magnitude · (base + scale · B·A) / its row norms",
    ),
    Method(
        name="rsLoRA",
        recipe=("train.rslora", True),
        settings=lambda _: {"use_rslora": True},
        methods=ONLY_LORA,
        merge="as LoRA, at scale alpha / √rank",
    ),
    Method(
        name="PiSSA",
        recipe=("train.pissa", True),
        # Without the conversion the base that was trained on is a random one at every load.
        settings=lambda _: {"pissa_init": True, "pissa_convert": True},
        methods=ONLY_LORA,
        without=frozenset({"DoRA", "QLoRA, 4 bits", "QLoRA, 8 bits", "New tokens", "A larger vocabulary"}),
        unfit=dict.fromkeys(("kto", "ppo"), "LLaMA-Factory refuses it there")
        | {"reward": "the converted adapter has no head"},
        merge="LLaMA-Factory's converted adapter, of twice the rank, is merged into the unchanged base; the"
        " proof refuses the adapter before its conversion",
    ),
    Method(
        name="LoRA+",
        recipe=("train.lora_plus", 16),
        settings=lambda train: {"loraplus_lr_ratio": train.lora_plus},
        methods=ONLY_LORA,
        merge="as LoRA",
    ),
    Method(
        name="Additional modules",
        recipe=("train.additional_target", "embed_tokens"),
        methods=ONLY_LORA,
        merge="as LoRA; modules that are saved whole must be in the export as the adapter has them",
    ),
    *(
        Method(
            name=f"QLoRA, {bits} bits",
            recipe=("train.quantization_bit", bits),
            settings=lambda train: {
                "quantization_bit": train.quantization_bit,
                "quantization_method": "bnb",
            },
            methods=ONLY_LORA,
            without=frozenset({"New tokens", "A larger vocabulary"}),
            unfit={"ppo": "the environment of ppo has no bitsandbytes"},
            merge="merged into the base in full precision; the proof refuses quantized weights, and the loss"
            " proof measures how far the served model is from the quantized one that was trained",
        )
        for bits in (4, 8)
    ),
    Method(
        name="Freeze",
        recipe=("train.method", FREEZE),
        settings=_freeze,
        methods=frozenset({FREEZE}),
        merge=WHOLE + ", and that every tensor of a frozen layer is the base's",
    ),
    Method(
        name="Freeze: layers",
        recipe=("train.freeze_layers", 4),
        methods=frozenset({FREEZE}),
        merge="as freeze",
    ),
    Method(
        name="Freeze: modules",
        recipe=("train.freeze_modules", "self_attn"),
        methods=frozenset({FREEZE}),
        merge="as freeze; frozen modules of a trained layer are checked too",
    ),
    Method(
        name="LLaMA Pro",
        recipe=("train.llama_pro", 2),
        settings=lambda _: {"use_llama_pro": True},
        methods=frozenset({FREEZE}),
        without=frozenset({"Freeze: layers"}),
        merge="the model gets new blocks, which change nothing before they are trained; the proof checks that"
        " every other block is the base's, at its new place",
    ),
    Method(name="Full", recipe=("train.method", FULL), methods=frozenset({FULL}), merge=WHOLE),
    Method(
        name="GaLore",
        recipe=("train.optimizer", "galore"),
        settings=_galore,
        methods=NOT_LORA,
        without=frozenset({"Another optimizer", "Muon"}),
        merge=NO_CHANGE,
    ),
    Method(
        name="BAdam",
        recipe=("train.optimizer", "badam"),
        settings=lambda _: {"use_badam": True, "badam_mode": "layer"},
        # It chooses blocks of the whole model in turn, and trains what freeze had frozen.
        methods=frozenset({FULL}),
        without=frozenset({"Another optimizer", "Muon"}),
        merge=NO_CHANGE,
    ),
    Method(
        name="NEFTune",
        recipe=("train.neftune", 5),
        settings=lambda train: {"neftune_noise_alpha": train.neftune},
        merge=NO_CHANGE,
    ),
    _packed("Packing", "on"),
    _packed("Neat packing", "neat"),
    Method(
        name="Liger kernels",
        recipe=("train.liger", True),
        runs=Runs.CUDA,
        settings=lambda _: {"enable_liger_kernel": True},
        why="its kernels are written in Triton, for GPUs",
        merge=NO_CHANGE,
    ),
)
