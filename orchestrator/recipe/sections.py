"""What a recipe says: Recipe and its sections, frozen, unknown keys refused.

Every description here is shown by an editor (recipes/recipe.schema.json is made of these classes). Names of
data sets, templates and checks are kept as written: whether they exist is for the layers above to say.
"""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from orchestrator.recipe.fields import (
    NAME_PATTERN,
    NAME_WORDS,
    Choice,
    Joined,
    Mapped,
    Number,
    Several,
    Switch,
    Text,
    Weights,
    Whole,
    wrong,
)
from orchestrator.recipe.tools import Tools

NAME = Text(NAME_WORDS, NAME_PATTERN)
NAMES = Several(NAME, least=0, unique=True)
BASE = Text(
    "a hub id (org/name), a folder (./folder or /folder) or embedded",
    r"^(embedded|\.{0,2}/[^\x00-\x1f]+|[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*)$",
    512,
    ("embedded",),
)
REVISION = Text("a commit, tag or branch", r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", 128)
MODULES = Text(
    "all, or names of modules with commas between", r"^[A-Za-z0-9_.]+( *, *[A-Za-z0-9_.]+)*$", 1024
)
WORD = Text("one word", r"^[A-Za-z0-9][A-Za-z0-9._-]*$", 64)
SERVED = Text("a model name without spaces", r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$", 128)
URL = Text(
    "an address like http://127.0.0.1:8000/v1, without a name or a password", r"^https?://[^\s@]+$", 2048
)
HOST = Text("a host name or address", r"^[A-Za-z0-9:\[][A-Za-z0-9.:\[\]%-]*$", 255)
SCHEDULERS = (
    "cosine",
    "linear",
    "constant",
    "constant_with_warmup",
    "cosine_with_restarts",
    "polynomial",
    "inverse_sqrt",
)


class Section(BaseModel):
    """What all sections are: frozen, and strangers to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, serialize_by_alias=True)


class Model(Section):
    """The base model that is fine-tuned."""

    base: Annotated[str, BASE] = Field(
        description="Hub id (org/name), a folder (./models/mine, from the project folder), or embedded: "
        "the small stand-in that needs no hub."
    )
    revision: Annotated[str, REVISION] | None = Field(
        None, description="Commit of the hub model. It belongs to the base beside it: another base drops it."
    )
    hub: Annotated[str, Choice(("huggingface", "modelscope"))] = Field(
        "huggingface", description="Where a hub id is fetched from."
    )
    tokenizer: Annotated[str, Choice(("published", "corrected"))] = Field(
        "published",
        description="corrected: with tokenizer_class PreTrainedTokenizerFast, which every version of "
        "transformers reads rightly; the model's own files stay as they are.",
    )


class Data(Section):
    """What is taught."""

    dataset: Annotated[tuple[str, ...], Several(NAME, unique=True)] = Field(
        description="Name of a dataset (dataset_info/NAME.yaml), or a list of names."
    )
    cutoff_len: Annotated[int, Whole(least=16, most=1048576)] = Field(
        1024, description="Longest example in tokens; a longer one is cut."
    )
    max_samples: Annotated[int, Whole(least=1, most=1000000000)] | None = Field(
        None, description="Use only the first so many rows of each dataset."
    )
    cut_limit: Annotated[float, Number(least=0, most=1)] | None = Field(
        None, description="Share of the rows that cutoff_len may cut, 0 for none; absent, cuts are only told."
    )
    validation_share: Annotated[float, Number(least=0, below=1)] = Field(
        0.0, description="Share of the rows that is held out to measure the loss; 0 holds none out."
    )
    split: Annotated[dict[str, float], Weights(("train", "test", "validation"))] | None = Field(
        None,
        description="Parts of each dataset by weight: {train: 7, test: 2, validation: 1}. "
        "Rows that ask the same stay together.",
    )
    split_seed: Annotated[int, Whole(least=0)] = Field(42, description="Another one splits otherwise.")
    stratify: Annotated[str, Text("the name of a column")] | None = Field(
        None, description="Column of the raw rows whose values every part holds alike."
    )
    near_duplicates: Annotated[bool, Switch()] = Field(
        False, description="Keep rows that ask nearly the same together, too."
    )
    validation: Annotated[tuple[str, ...], NAMES] = Field((), description="Datasets that measure the loss.")
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
        "on", description="on: answers open with a thought; off: never; mixed: as each row has it."
    )
    history: Annotated[str, Choice(("keep", "strip"))] = Field(
        "keep", description="Whether thoughts of earlier turns stay in the conversation."
    )


class Train(Section):
    """How it is taught. LLaMA-Factory's settings under plain names; the rest goes under llamafactory."""

    method: Annotated[str, Choice(("lora", "full", "freeze"))] = Field(
        "lora", description="lora trains a small adapter, full every weight, freeze the last layers."
    )
    lora_rank: Annotated[int, Whole(least=1, most=1024)] = Field(16, description="Size of the adapter.")
    lora_alpha: Annotated[int, Whole(least=1, most=65536)] | None = Field(
        None, description="Scale of the adapter; 2 × lora_rank when absent."
    )
    lora_dropout: Annotated[float, Number(least=0, below=1)] = Field(
        0.0, description="Dropout of the adapter."
    )
    lora_target: Annotated[str, Joined(MODULES)] = Field(
        "all", description="Modules that get an adapter: all, or their names."
    )
    learning_rate: Annotated[float, Number(above=0, most=1)] = Field(1e-4, description="Peak learning rate.")
    epochs: Annotated[float, Number(above=0, most=10000)] = Field(3.0, description="Passes over the data.")
    max_steps: Annotated[int, Whole(least=1, most=1000000000)] | None = Field(
        None, description="Stop after so many steps, whatever epochs says."
    )
    max_grad_norm: Annotated[float, Number(least=0, most=1000)] = Field(
        1.0, description="Gradients are clipped to this norm; 0 leaves them."
    )
    compute_type: Annotated[str, Choice(("auto", "fp32", "bf16", "fp16"))] = Field(
        "auto", description="Number format of training; auto is bf16 on a GPU that has it and fp32 on a CPU."
    )
    batch_size: Annotated[int, Whole(least=1, most=65536)] = Field(
        4, description="Examples a step and device."
    )
    accumulation: Annotated[int, Whole(least=1, most=65536)] = Field(
        1, description="Batches whose gradients are added up before a step."
    )
    scheduler: Annotated[str, Choice(SCHEDULERS)] = Field(
        "cosine", description="Course of the learning rate."
    )
    warmup_ratio: Annotated[float, Number(least=0, below=1)] = Field(
        0.1, description="Share of the steps in which the learning rate rises."
    )
    warmup_steps: Annotated[int, Whole(least=0, most=1000000000)] | None = Field(
        None, description="Steps in which the learning rate rises; wins over warmup_ratio."
    )
    weight_decay: Annotated[float, Number(least=0, most=10)] = Field(0.0, description="Weight decay.")
    gradient_checkpointing: Annotated[bool, Switch()] = Field(
        True, description="Save memory by computing activations twice; off is faster where they fit."
    )
    seed: Annotated[int, Whole(least=0, most=4294967295)] = Field(
        42, description="Seed of every random choice."
    )
    logging_steps: Annotated[int, Whole(least=1, most=1000000)] = Field(
        1, description="Steps between two losses."
    )
    save_steps: Annotated[int, Whole(least=0, most=1000000000)] | None = Field(
        None,
        description="Steps between two checkpoints, from which an interrupted training goes on; absent, ten "
        "checkpoints in all (four where every weight is trained); 0 for none. The last two are kept.",
    )
    stall_timeout: Annotated[float, Number(above=0, most=604800)] = Field(
        1800.0, description="Seconds without a word or a step after which a training counts as hung."
    )

    @property
    def alpha(self) -> int:
        """lora_alpha, or twice the rank."""
        return 2 * self.lora_rank if self.lora_alpha is None else self.lora_alpha

    @property
    def checkpoint_steps(self) -> float:
        """Steps between two checkpoints, or below 1 the share of all steps; 0 for none."""
        if self.save_steps is not None:
            return self.save_steps
        return 0.1 if self.method == "lora" else 0.25


class Export(Section):
    """How the merged model is written."""

    shard_size_gb: Annotated[int, Whole(least=1, most=1000)] = Field(5, description="Largest file, in GB.")


class Serve(Section):
    """How vLLM serves it. Settings without a plain name here go under vllm."""

    model: Annotated[str, SERVED] | None = Field(
        None, description="Model name that clients use; the recipe's name when absent."
    )
    max_model_len: Annotated[int, Whole(least=16, most=16777216)] | None = Field(
        None, description="Longest conversation in tokens; the model's own limit when absent."
    )
    host: Annotated[str, HOST] = Field(
        "127.0.0.1", description="Address to listen on; needs a key off loopback."
    )
    port: Annotated[int, Whole(least=1, most=65535)] = Field(8000, description="Port to listen on.")
    reasoning_parser: Annotated[str, WORD] = Field(
        "auto", description="auto takes the chat template's, none switches it off, or vLLM's name of one."
    )
    ready_timeout: Annotated[float, Number(above=0, most=86400)] = Field(
        900.0, description="Seconds that the server may take until its first answer."
    )
    restart: Annotated[str, Choice(("on-failure", "never"))] = Field(
        "on-failure",
        description="Whether a server that worked and died is started again, 3 times in 10 minutes.",
    )


class Case(Section):
    """One conversation that is asked, or one for each row of a part, and what must be true of its answers."""

    ask: Annotated[tuple[str, ...], Several(Text("a question"))] | None = Field(
        None, description="A question, or a list: the turns of one conversation."
    )
    part: Annotated[str, Choice(("test", "validation", "train"))] | None = Field(
        None,
        alias="from",
        description="Instead of ask: what the rows of this part of the data ask; `equals: reference`, "
        "`contains: reference` and `similar: {least: 0.5}` are held against each row's own answer.",
    )
    limit: Annotated[int, Whole(least=1, most=1000000)] | None = Field(
        None, description="With from: at most so many rows, evenly spread; all when absent."
    )
    system: Annotated[str, Text("a system prompt")] | None = Field(None, description="System prompt.")
    tools: Annotated[tuple[dict[str, Any], ...], Tools()] = Field(
        (), description="Tools that the model may call, in OpenAI's shape; judged by tool_call."
    )
    expect: Annotated[dict[str, Any], Mapped("a mapping of check to argument")] = Field(
        default_factory=dict, description="Check name → its argument, e.g. contains: 神奇海螺."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.ask is None) == (self.part is None):
            raise wrong("a case with ask, or with from, and not with both")
        if self.limit is not None and self.part is None:
            raise wrong("a case with from, where limit is given")
        return self


class Verify(Section):
    """What the served model is asked, and what must be true of its answers."""

    base: Annotated[bool, Switch()] = Field(True, description="Ask the untouched base model too, to compare.")
    max_tokens: Annotated[int, Whole(least=1, most=1048576)] = Field(
        256, description="Longest answer in tokens."
    )
    temperature: Annotated[float, Number(least=0, most=2)] = Field(
        0.0, description="0 is the likeliest token."
    )
    every: Annotated[tuple[str, ...], Several(WORD, least=0, unique=True)] = Field(
        ("stops", "clean", "streamed"), description="Checks that every answer must pass."
    )
    checks: tuple[Case, ...] = Field((), description="The conversations.")
    repeats: Annotated[int, Whole(least=1, most=10000)] = Field(
        1,
        description="How often each conversation is asked; with a temperature, each time with its own seed.",
    )
    pass_rate: Annotated[float, Number(above=0, most=1)] = Field(
        1.0, description="Share of a conversation's repeats that must pass a check."
    )
    at_a_time: Annotated[int, Whole(least=1, most=256)] = Field(
        4, description="How many conversations are asked side by side."
    )
    paraphrases: Annotated[bool, Switch()] = Field(
        True, description="Ask the dataset's paraphrases, which were not trained; their rate is only shown."
    )


class Evaluate(Section):
    """On which rows the model's answers are scored against the answers that the data gives."""

    split: Annotated[str, Choice(("none", "test", "validation", "train"))] = Field(
        "none", description="Rows that every run is scored on; none leaves it to conch eval."
    )
    limit: Annotated[int, Whole(least=1, most=1000000)] = Field(
        200, description="Most rows, evenly spread over the split."
    )
    max_tokens: Annotated[int, Whole(least=1, most=1048576)] | None = Field(
        None, description="Longest answer in tokens; verify.max_tokens when absent."
    )
    temperature: Annotated[float, Number(least=0, most=2)] = Field(
        0.0, description="0 is the likeliest token."
    )
    at_a_time: Annotated[int, Whole(least=1, most=1024)] = Field(
        16, description="Questions that are under way at one time."
    )
    base: Annotated[bool, Switch()] = Field(True, description="Score the untouched base model too.")


class Judge(Section):
    """A model that says which of two answers is better, behind any OpenAI-compatible address."""

    base_url: Annotated[str, URL] = Field(description="Where the judge is served, /v1 at its end for most.")
    model: Annotated[str, SERVED] = Field(description="Its name there.")
    key_file: Annotated[str, Text("a file")] | None = Field(
        None,
        description="File with its key, from the project folder, which only you can read; else the key is "
        "CONCH_JUDGE_KEY's.",
    )
    question_limit: Annotated[int, Whole(least=1, most=100000)] = Field(
        50, description="At most so many pairs of answers are put to it, each twice; taken from all over."
    )
    criteria: Annotated[str, Text("what makes an answer the better one", limit=4000)] | None = Field(
        None, description="What makes an answer the better one, in your own words."
    )


class Hardware(Section):
    """What differs by machine: partial recipes laid on top of the rest."""

    profile: Annotated[str, Choice(("auto", "cpu", "cuda"))] = Field(
        "auto", description="auto looks for an NVIDIA GPU."
    )
    cpu: Annotated[dict[str, Any], Mapped("a mapping, part of a recipe")] = Field(
        default_factory=dict, description="Laid on top on a machine without a GPU."
    )
    cuda: Annotated[dict[str, Any], Mapped("a mapping, part of a recipe")] = Field(
        default_factory=dict, description="Laid on top on a machine with a GPU."
    )


class Recipe(Section):
    """What the user wrote, checked, with the defaults of what was not written."""

    name: Annotated[str, NAME] = Field(description="The file's name without .yaml.")
    model: Model
    data: Data
    template: Template
    train: Train = Field(default_factory=Train)
    export: Export = Field(default_factory=Export)
    serve: Serve = Field(default_factory=Serve)
    verify: Verify = Field(default_factory=Verify)
    evaluate: Evaluate = Field(default_factory=Evaluate)
    judge: Judge | None = Field(
        None, description="A model that compares answers; there is none unless this says where."
    )
    hardware: Hardware = Field(default_factory=Hardware)
    llamafactory: Annotated[dict[str, Any], Mapped("a mapping of LLaMA-Factory's own settings")] = Field(
        default_factory=dict, description="LLaMA-Factory's own settings, passed on as they are."
    )
    vllm: Annotated[dict[str, Any], Mapped("a mapping of vLLM's own settings")] = Field(
        default_factory=dict, description="vLLM's own settings, passed on as they are."
    )

    @property
    def served_model(self) -> str:
        """The model name that clients use."""
        return self.serve.model or self.name


SECTIONS: dict[str, type[Section]] = {
    "model": Model,
    "data": Data,
    "template": Template,
    "train": Train,
    "export": Export,
    "serve": Serve,
    "verify": Verify,
    "evaluate": Evaluate,
    "judge": Judge,
    "hardware": Hardware,
}
PASSAGES = ("llamafactory", "vllm")
FILE_KEYS = ("extends", *SECTIONS, *PASSAGES)
