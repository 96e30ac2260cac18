"""LLaMA-Factory's other methods: keys of its own that are passed on, and those that cannot run, with why."""

from __future__ import annotations

from orchestrator.plan.methods.base import ANY, FULL, LORA, Method, Runs
from orchestrator.plan.methods.trained import NO_CHANGE, NOT_LORA, ONLY_LORA

LOCKED = "its package {} is not in environments/train-*.txt"
SOURCE = "its package {} has no wheel for the locked versions"
QLORA = "set train.quantization_bit: 4 or 8"


def _refused(name: str, key: str, value: object, why: str, instead: str = "delete it") -> Method:
    recipe = (key, value)
    return Method(name=name, recipe=recipe, runs=Runs.NOWHERE, why=why, instead=instead)


PASSED = (
    Method(
        name="Muon",
        recipe=("llamafactory.use_muon", True),
        methods=frozenset({FULL}),
        without=frozenset({"Another optimizer"}),
        merge=NO_CHANGE,
    ),
    Method(name="Another optimizer", recipe=("llamafactory.optim", ANY), merge=NO_CHANGE),
    Method(
        name="Layer-wise GaLore",
        recipe=("llamafactory.galore_layerwise", True),
        methods=NOT_LORA,
        needs="GaLore",
        merge=NO_CHANGE,
    ),
    Method(
        name="New tokens",
        recipe=("llamafactory.add_tokens", "<a>,<b>"),
        methods=ONLY_LORA,
        merge="both tables of the larger vocabulary must be the trained ones, and config.json must say"
        " whether the head is one of them",
    ),
    Method(
        name="New special tokens",
        recipe=("llamafactory.add_special_tokens", "<a>,<b>"),
        methods=ONLY_LORA,
        without=frozenset({"QLoRA, 4 bits", "QLoRA, 8 bits", "PiSSA"}),
        merge="as new tokens",
    ),
    Method(
        name="A larger vocabulary",
        recipe=("llamafactory.resize_vocab", True),
        methods=ONLY_LORA,
        merge="as new tokens",
    ),
    Method(name="DFT loss", recipe=("llamafactory.use_dft_loss", True), merge=NO_CHANGE),
    Method(name="EAFT loss", recipe=("llamafactory.use_eaft_loss", True), merge=NO_CHANGE),
    Method(
        name="ASFT loss",
        recipe=("llamafactory.use_asft_loss", True),
        methods=NOT_LORA,
        merge=NO_CHANGE,
    ),
    Method(
        name="Flash attention by PyTorch",
        recipe=("llamafactory.flash_attn", "sdpa"),
        merge=NO_CHANGE,
    ),
    _refused(
        "FlashAttention-2",
        "llamafactory.flash_attn",
        "fa2",
        LOCKED.format("flash-attn") + ", without which LLaMA-Factory only warns and trains with another",
        "set flash_attn: sdpa, PyTorch's own, which uses flash attention on a GPU",
    ),
    _refused(
        "2, 3, 5, 6 and 7 bits",
        "train.quantization_bit",
        (2, 3, 5, 6, 7),
        "bitsandbytes quantizes to 4 or 8 bits only",
        QLORA,
    ),
    _refused(
        "HQQ",
        "llamafactory.quantization_method",
        "hqq",
        "transformers 5.5.4 cannot load a model with it while it is trained",
        QLORA,
    ),
    _refused("EETQ", "llamafactory.quantization_method", "eetq", SOURCE.format("eetq"), QLORA),
    _refused("GPTQ", "llamafactory.quantization_method", "gptq", SOURCE.format("gptqmodel"), QLORA),
    _refused("AWQ", "llamafactory.quantization_method", "awq", SOURCE.format("autoawq"), QLORA),
    _refused("AQLM", "llamafactory.quantization_method", "aqlm", LOCKED.format("aqlm"), QLORA),
    _refused(
        "OFT",
        "train.method",
        "oft",
        "its update is a rotation, which the merge proof does not know",
        f"set train.method: {LORA}",
    ),
    _refused(
        "LongLoRA",
        "llamafactory.shift_attn",
        True,
        "LLaMA-Factory's patch needs transformers below 4.48; 5.5.4 is locked",
        "raise data.cutoff_len",
    ),
    _refused(
        "LoftQ",
        "llamafactory.loftq",
        True,
        "LLaMA-Factory has it as a script outside its package, which needs a GPU",
        QLORA,
    ),
    _refused(
        "APOLLO",
        "llamafactory.use_apollo",
        True,
        LOCKED.format("apollo-torch"),
        "set train.optimizer: galore",
    ),
    _refused(
        "Adam-mini",
        "llamafactory.use_adam_mini",
        True,
        LOCKED.format("adam-mini"),
        "set train.optimizer: badam",
    ),
    _refused(
        "BAdam by ratio",
        "llamafactory.badam_mode",
        "ratio",
        "badam 1.4 fails with the locked PyTorch: 'NoneType' object has no attribute 'requires_grad_'",
        "set train.optimizer: badam, which trains layer by layer",
    ),
    _refused("Unsloth", "llamafactory.use_unsloth", True, LOCKED.format("unsloth")),
    _refused("KTransformers", "llamafactory.use_kt", True, LOCKED.format("kt-kernel")),
    _refused("Megatron", "llamafactory.use_mca", True, LOCKED.format("mcore-adapter")),
    _refused("Mixture of depths", "llamafactory.mixture_of_depths", ANY, LOCKED.format("mixture-of-depth")),
    _refused("FP8 training", "llamafactory.fp8", True, LOCKED.format("torchao")),
    _refused(
        "A second adapter",
        "llamafactory.create_new_adapter",
        True,
        "its export would lose the first one",
        "build on the recipe that made the first: model.base: recipe:NAME",
    ),
)
