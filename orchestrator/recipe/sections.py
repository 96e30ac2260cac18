"""Recipe and its sections, frozen; unknown keys are errors.

Editors show every description here (recipes/recipe.schema.json is generated from these classes). Whether a
named dataset, template or check exists is checked in the layers above.
"""

from typing import Annotated

from pydantic import Field

from orchestrator.hubs import DEFAULT, REMOTE
from orchestrator.plan.stage import READY_TIMEOUT
from orchestrator.recipe.answers import Evaluate, Judge, Target, Verify
from orchestrator.recipe.fields import (
    NAME_PATTERN,
    Choice,
    Joined,
    ListField,
    LossWeights,
    Mapped,
    Number,
    Switch,
    TextField,
    Whole,
)
from orchestrator.recipe.hardware import PROFILES
from orchestrator.recipe.ppo import Ppo
from orchestrator.recipe.sampling import Sampling
from orchestrator.recipe.section import NAME, SERVED, WORD, Section
from orchestrator.recipe.sweep import Sweep

CPU, CUDA = PROFILES["cpu"], PROFILES["cuda"]
NAMES = ListField(NAME, least=0, unique=True)
BASE = TextField(
    "a hub id (org/name), a folder (./folder or /folder), recipe:NAME or embedded",
    rf"^(embedded|recipe:{NAME_PATTERN[1:-1]}|"
    r"\.{0,2}/[^\x00-\x1f]+|[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*)$",
    512,
    ("embedded",),
)
REVISION = TextField("a commit, tag or branch", r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", 128)
MODULES = TextField(
    "all, or module names separated by commas", r"^[A-Za-z0-9_.]+( *, *[A-Za-z0-9_.]+)*$", 1024
)
HOST = TextField("a host name or address", r"^[A-Za-z0-9:\[][A-Za-z0-9.:\[\]%-]*$", 255)
SCHEDULERS = (
    "cosine",
    "linear",
    "constant",
    "constant_with_warmup",
    "cosine_with_restarts",
    "polynomial",
    "inverse_sqrt",
)


class Model(Section):
    """The base model that is fine-tuned."""

    base: Annotated[str, BASE] = Field(
        description="Hub id (org/name), a folder (./models/mine, relative to the project), recipe:NAME: the "
        "model that another recipe exports, or embedded: a small stand-in that needs no hub."
    )
    revision: Annotated[str, REVISION] | None = Field(
        None, description="Commit of the hub model. A recipe that sets another base drops it."
    )
    hub: Annotated[str, Choice(REMOTE)] = Field(DEFAULT, description="The hub that a hub id is fetched from.")
    tokenizer: Annotated[str, Choice(("published", "corrected"))] = Field(
        "published",
        description="corrected: with tokenizer_class PreTrainedTokenizerFast, which every version of "
        "transformers reads correctly; the model's own files are not changed.",
    )


class Data(Section):
    """The training data."""

    dataset: Annotated[tuple[str, ...], ListField(NAME, unique=True)] = Field(
        description="Name of a dataset (dataset_info/NAME.yaml), or a list of names."
    )
    cutoff_len: Annotated[int, Whole(least=16, most=1048576)] = Field(
        1024, description="Maximum length of an example in tokens; longer examples are truncated."
    )
    max_samples: Annotated[int, Whole(least=1, most=1000000000)] | None = Field(
        None, description="Maximum number of rows per dataset, from its start."
    )
    max_truncated_fraction: Annotated[float, Number(least=0, most=1)] | None = Field(
        None,
        description="Share of the rows that cutoff_len may truncate, 0 for none. If unset, truncation is "
        "only reported.",
    )
    validation_share: Annotated[float, Number(least=0, below=1)] = Field(
        0.0, description="Share of the rows that is held out to measure the loss; 0 for none."
    )
    split: Annotated[dict[str, float], LossWeights(("train", "test", "validation"))] | None = Field(
        None,
        description="Parts of each dataset by weight: {train: 7, test: 2, validation: 1}. "
        "Rows with the same question stay together.",
    )
    split_seed: Annotated[int, Whole(least=0)] = Field(42, description="Random seed for the split.")
    stratify: Annotated[str, TextField("the name of a column")] | None = Field(
        None, description="Column of the raw rows whose values have the same distribution in every part."
    )
    near_duplicates: Annotated[bool, Switch()] = Field(
        False, description="Keep rows with nearly the same question together, too."
    )
    validation: Annotated[tuple[str, ...], NAMES] = Field(
        (), description="Datasets on which the loss is measured."
    )
    test: Annotated[tuple[str, ...], NAMES] = Field((), description="Datasets that training never sees.")

    @property
    def parts(self) -> dict[str, float]:
        """Part → weight of each dataset; empty when it is not split."""
        share = self.validation_share
        parts = self.split or {"train": 1 - share, **({"validation": share} if share else {})}
        return parts if len(parts) > 1 else {}


class Template(Section):
    """How a conversation becomes tokens, in training and in serving."""

    name: Annotated[str, WORD] = Field(description="LLaMA-Factory's template, e.g. deepseekr1 or qwen3.")
    thinking: Annotated[str, Choice(("on", "off", "mixed"))] = Field(
        "on", description="on: answers start with a thought; off: never; mixed: as in each row."
    )
    history: Annotated[str, Choice(("keep", "strip"))] = Field(
        "keep", description="Whether thoughts of earlier turns stay in the conversation."
    )


class Train(Section):
    """The training. LLaMA-Factory's settings under plain names; all others go under llamafactory."""

    kind: Annotated[str, WORD] = Field(
        "sft",
        description="Kind of training. sft: fine-tuning on conversations; pretrain: continued pre-training "
        "on documents; dpo: on pairs of a better and a worse answer; reward: a model that scores answers, on "
        "such pairs; kto: on liked and disliked answers; ppo: on its own answers, which a reward model "
        "scores.",
    )
    method: Annotated[str, Choice(("lora", "full", "freeze", "oft"))] = Field(
        "lora",
        description="lora trains a small adapter, full every weight, freeze some layers; oft is refused. "
        "docs/methods.md lists what goes with each.",
    )
    environment: Annotated[str, Choice(("auto", "ppo"))] = Field(
        "auto",
        description="Where the training runs; auto is what its kind needs. An environment with packages below"
        " the security floor runs only where it is named here: ppo.",
    )
    lora_rank: Annotated[int, Whole(least=1, most=1024)] = Field(16, description="Rank of the adapter.")
    lora_alpha: Annotated[int, Whole(least=1, most=65536)] | None = Field(
        None, description="Scale of the adapter; 2 × lora_rank if unset."
    )
    lora_dropout: Annotated[float, Number(least=0, below=1)] = Field(
        0.0, description="Dropout of the adapter."
    )
    lora_target: Annotated[str, Joined(MODULES)] = Field(
        "all", description="Modules that get an adapter: all, or their names."
    )
    dora: Annotated[bool, Switch()] = Field(
        False, description="DoRA: the length of each row of a weight is trained apart from its direction."
    )
    rslora: Annotated[bool, Switch()] = Field(
        False, description="rsLoRA: the adapter's scale is lora_alpha / √lora_rank."
    )
    pissa: Annotated[bool, Switch()] = Field(
        False,
        description="PiSSA: the adapter begins with the largest singular values of each weight; the result "
        "is an adapter of twice the rank on the unchanged base.",
    )
    lora_plus: Annotated[float, Number(above=0, most=1000)] | None = Field(
        None, description="LoRA+: how much faster B learns than A, e.g. 16."
    )
    additional_target: Annotated[str, Joined(MODULES)] | None = Field(
        None, description="Modules that are trained and saved whole beside the adapter, e.g. embed_tokens."
    )
    quantization_bit: Annotated[int, Whole(least=2, most=8)] | None = Field(
        None, description="QLoRA: the base is held in 4 or 8 bits while an adapter is trained."
    )
    freeze_layers: Annotated[int, Whole(least=-1000, most=1000)] | None = Field(
        None, description="With freeze: the last so many layers are trained, below 0 the first; 2 if unset."
    )
    freeze_modules: Annotated[str, Joined(MODULES)] | None = Field(
        None, description="With freeze: the modules of these layers that are trained; all if unset."
    )
    llama_pro: Annotated[int, Whole(least=1, most=1000)] | None = Field(
        None,
        description="LLaMA Pro, with freeze: so many new blocks are added, which alone are trained; the "
        "number of layers must be a multiple of it.",
    )
    optimizer: Annotated[str, Choice(("adamw", "galore", "badam"))] = Field(
        "adamw", description="galore (with full and freeze) and badam (with full) need less memory."
    )
    neftune: Annotated[float, Number(above=0, most=1000)] | None = Field(
        None, description="NEFTune: noise on the embeddings while training, e.g. 5."
    )
    packing: Annotated[str, Choice(("off", "on", "neat"))] = Field(
        "off",
        description="on: several rows in one example of cutoff_len tokens; neat: these rows do not see each "
        "other.",
    )
    liger: Annotated[bool, Switch()] = Field(False, description="Liger's kernels; on a GPU only.")
    learning_rate: Annotated[float, Number(above=0, most=1)] = Field(
        CUDA.learning_rate, description=f"Peak learning rate; {CPU.learning_rate:g} on a CPU."
    )
    epochs: Annotated[float, Number(above=0, most=10000)] = Field(3.0, description="Passes over the data.")
    max_steps: Annotated[int, Whole(least=1, most=1000000000)] | None = Field(
        None, description="Stop after this many steps; overrides epochs."
    )
    max_grad_norm: Annotated[float, Number(least=0, most=1000)] = Field(
        1.0, description="Gradients are clipped to this norm; 0 turns clipping off."
    )
    compute_type: Annotated[str, Choice(("auto", "fp32", "bf16", "fp16"))] = Field(
        "auto",
        description=f"Number format of training; auto is {CUDA.compute_type} on a GPU and {CPU.compute_type} "
        "on a CPU.",
    )
    batch_size: Annotated[int, Whole(least=1, most=65536)] = Field(
        CUDA.batch_size, description=f"Examples per step and device; {CPU.batch_size} on a CPU."
    )
    gradient_accumulation: Annotated[int, Whole(least=1, most=65536)] = Field(
        CUDA.gradient_accumulation,
        description="Batches whose gradients are added up before a step; "
        f"{CPU.gradient_accumulation} on a CPU.",
    )
    scheduler: Annotated[str, Choice(SCHEDULERS)] = Field("cosine", description="Learning rate schedule.")
    warmup_ratio: Annotated[float, Number(least=0, below=1)] = Field(
        0.1, description="Share of the steps over which the learning rate warms up."
    )
    warmup_steps: Annotated[int, Whole(least=0, most=1000000000)] | None = Field(
        None, description="Steps over which the learning rate warms up; overrides warmup_ratio."
    )
    weight_decay: Annotated[float, Number(least=0, most=10)] = Field(0.0, description="Weight decay.")
    gradient_checkpointing: Annotated[bool, Switch()] = Field(
        CUDA.gradient_checkpointing,
        description="Save memory by computing activations twice; off on a CPU, and faster where they fit.",
    )
    seed: Annotated[int, Whole(least=0, most=4294967295)] = Field(42, description="Random seed.")
    logging_steps: Annotated[int, Whole(least=1, most=1000000)] = Field(
        1, description="Steps between two log lines."
    )
    save_steps: Annotated[int, Whole(least=0, most=1000000000)] | None = Field(
        None,
        description="Steps between two checkpoints, from which an interrupted training resumes; if unset,"
        " ten checkpoints in total (four if every weight is trained, none with pissa); 0 for none. The last"
        " two are kept.",
    )
    early_stopping: Annotated[int, Whole(least=1, most=1000)] | None = Field(
        None,
        description="End the training, with the best adapter, after this many validations in a row without a "
        "lower loss; needs validation rows.",
    )
    plateau: Annotated[float, Number(least=0, below=1)] = Field(
        0.0,
        description="Share of all steps over which the training loss must still fall, otherwise the training "
        "ends early, e.g. 0.2; 0 to never end it early.",
    )
    stall_timeout: Annotated[float, Number(above=0, most=604800)] = Field(
        1800.0, description="Seconds without output or a step after which a training counts as hung."
    )

    @property
    def alpha(self) -> int:
        """lora_alpha, or twice the rank."""
        return 2 * self.lora_rank if self.lora_alpha is None else self.lora_alpha

    @property
    def checkpoint_steps(self) -> float:
        """Steps between two checkpoints; below 1 the share of all steps; 0 for none."""
        if self.save_steps is not None:
            return self.save_steps
        # PiSSA's conversion compares with the adapter at its start, which a resumed training takes for it.
        if self.pissa:
            return 0
        return 0.1 if self.method == "lora" else 0.25


class Preference(Section):
    """The loss of a training on preferences: train.kind dpo and kto."""

    loss: Annotated[str, Choice(("sigmoid", "orpo", "simpo", "hinge", "ipo", "kto_pair"))] = Field(
        "sigmoid",
        description="Loss of dpo: sigmoid, the original; orpo and simpo, which need no reference model. The "
        "others are refused: the locked versions train them as sigmoid.",
    )
    beta: Annotated[float, Number(above=0, most=100)] = Field(
        0.1, description="How strongly the model is held to its base; for simpo, 2.0 is usual."
    )
    gamma: Annotated[float, Number(least=0, most=100)] | None = Field(
        None, description="Margin between the answers for simpo; LLaMA-Factory's 0.5 if unset."
    )
    label_smoothing: Annotated[float, Number(least=0, below=0.5)] = Field(
        0.0, description="Share of the pairs whose preference may be wrong, for sigmoid."
    )
    sft_weight: Annotated[float, Number(least=0, most=100)] = Field(
        0.0, description="Weight of the loss of fine-tuning on the better answers, which is added."
    )
    bco_weight: Annotated[float, Number(least=0, most=100)] = Field(
        0.0, description="Weight of the binary classifier loss, which is added to that of dpo."
    )
    liked_weight: Annotated[float, Number(above=0, most=100)] = Field(
        1.0, description="Weight of liked answers in kto."
    )
    disliked_weight: Annotated[float, Number(above=0, most=100)] = Field(
        1.0, description="Weight of disliked answers in kto."
    )


class Export(Section):
    """The export of the merged model."""

    shard_size_gb: Annotated[int, Whole(least=1, most=1000)] = Field(
        5, description="Maximum file size in GB."
    )


class Serve(Section):
    """How the model is served. Options of vLLM without a name here go under vllm."""

    engine: Annotated[str, WORD] = Field("vllm", description="The serving engine; vllm is the one shipped.")
    model: Annotated[str, SERVED] | None = Field(
        None, description="Model name for clients; the recipe's name if unset."
    )
    max_model_len: Annotated[int, Whole(least=16, most=16777216)] | None = Field(
        None, description="Maximum conversation length in tokens; the model's own limit if unset."
    )
    host: Annotated[str, HOST] = Field(
        "127.0.0.1", description="Address to listen on; addresses other than loopback need a key."
    )
    port: Annotated[int, Whole(least=1, most=65535)] = Field(8000, description="Port to listen on.")
    reasoning_parser: Annotated[str, WORD] = Field(
        "auto", description="auto: the chat template's parser; none: no parser; or vLLM's name of a parser."
    )
    sampling: Sampling = Field(
        default_factory=Sampling,
        description="What the model does for clients that name no value; unset: as the base model's "
        "generation_config.json says, greedy if it says nothing.",
    )
    ready_timeout: Annotated[float, Number(above=0, most=86400)] = Field(
        READY_TIMEOUT, description="Maximum seconds until the server's first answer."
    )
    restart: Annotated[str, Choice(("on-failure", "never"))] = Field(
        "on-failure",
        description="Whether a server that dies after it was ready is restarted, at most 3 times in 10 "
        "minutes.",
    )


class Hardware(Section):
    """What differs between machines: partial recipes that override the rest."""

    profile: Annotated[str, Choice(("auto", *PROFILES))] = Field(
        "auto", description="auto: cuda if an NVIDIA driver is loaded, otherwise cpu."
    )
    cpu: Annotated[dict[str, object], Mapped("a mapping, part of a recipe")] = Field(
        default_factory=dict, description="Overrides the rest on a machine without a GPU."
    )
    cuda: Annotated[dict[str, object], Mapped("a mapping, part of a recipe")] = Field(
        default_factory=dict, description="Overrides the rest on a machine with a GPU."
    )


class Launch(Section):
    """Where the commands run."""

    launcher: Annotated[str, WORD] = Field(
        "local", description="What starts commands and servers: local, on this machine."
    )


class Recipe(Section):
    """A checked recipe with all defaults."""

    name: Annotated[str, NAME] = Field(description="The file name without .yaml.")
    model: Model
    data: Data
    template: Template
    train: Train = Field(default_factory=Train)
    preference: Preference = Field(default_factory=Preference)
    ppo: Ppo = Field(default_factory=Ppo)
    export: Export = Field(default_factory=Export)
    serve: Serve = Field(default_factory=Serve)
    verify: Verify = Field(default_factory=Verify)
    evaluate: Evaluate = Field(default_factory=Evaluate)
    judge: Judge | None = Field(None, description="A model that compares answers; optional.")
    target: Target = Field(default_factory=Target)
    sweep: Sweep | None = Field(
        None,
        description="Settings that conch run --until target tries; optional.",
    )
    hardware: Hardware = Field(default_factory=Hardware)
    launch: Launch = Field(default_factory=Launch)
    llamafactory: Annotated[dict[str, object], Mapped("a mapping of LLaMA-Factory's own settings")] = Field(
        default_factory=dict, description="LLaMA-Factory's own settings, passed on unchanged."
    )
    vllm: Annotated[dict[str, object], Mapped("a mapping of vLLM's own settings")] = Field(
        default_factory=dict, description="vLLM's own settings, passed on unchanged."
    )

    @property
    def required_rate(self) -> float:
        """The share of the sampled answers that must pass: target.checks, else as of repeats."""
        return self.target.checks or self.verify.pass_rate

    @property
    def served_model(self) -> str:
        """The model name for clients."""
        return self.serve.model or self.name


SECTIONS: dict[str, type[Section]] = {
    "model": Model,
    "data": Data,
    "template": Template,
    "train": Train,
    "preference": Preference,
    "ppo": Ppo,
    "export": Export,
    "serve": Serve,
    "verify": Verify,
    "evaluate": Evaluate,
    "judge": Judge,
    "target": Target,
    "sweep": Sweep,
    "hardware": Hardware,
    "launch": Launch,
}
PASSAGES = ("llamafactory", "vllm")
FILE_KEYS = ("extends", *SECTIONS, *PASSAGES)
