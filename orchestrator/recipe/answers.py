"""The sections about answers: what is asked, what must be true of it, how good is good enough.

Names of checks and metrics are kept as written: whether they exist is for the layers above to say.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from orchestrator.recipe.fields import (
    Choice,
    FieldType,
    ListField,
    Mapped,
    Number,
    Switch,
    TextField,
    Whole,
    wrong,
)
from orchestrator.recipe.section import SERVED, WORD, Section
from orchestrator.recipe.tools import Tools

URL = TextField(
    "an address like http://127.0.0.1:8000/v1, without a name or a password", r"^https?://[^\s@]+$", 2048
)


class CheckCase(Section):
    """One conversation that is asked, or one for each row of a part, and what must be true of its answers."""

    ask: Annotated[tuple[str, ...], ListField(TextField("a question"))] | None = Field(
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
    system: Annotated[str, TextField("a system prompt")] | None = Field(None, description="System prompt.")
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
    every: Annotated[tuple[str, ...], ListField(WORD, least=0, unique=True)] = Field(
        ("stops", "no_control_tokens", "streamed"), description="Checks that every answer must pass."
    )
    checks: tuple[CheckCase, ...] = Field((), description="The conversations.")
    repeats: Annotated[int, Whole(least=1, most=10000)] = Field(
        1,
        description="How often each conversation is asked; with a temperature, each time with its own seed.",
    )
    pass_rate: Annotated[float, Number(above=0, most=1)] = Field(
        1.0, description="Share of a conversation's repeats that must pass a check."
    )
    concurrency: Annotated[int, Whole(least=1, most=256)] = Field(
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
    concurrency: Annotated[int, Whole(least=1, most=1024)] = Field(
        16, description="Questions that are under way at one time."
    )
    base: Annotated[bool, Switch()] = Field(True, description="Score the untouched base model too.")
    general: Annotated[bool, Switch()] = Field(
        False,
        description="Ask the tuned model and the base 24 questions of general knowledge that come with "
        "Conch, to see what was forgotten.",
    )


class Judge(Section):
    """A model that says which of two answers is better, behind any OpenAI-compatible address."""

    base_url: Annotated[str, URL] = Field(description="Where the judge is served, /v1 at its end for most.")
    model: Annotated[str, SERVED] = Field(description="Its name there.")
    key_file: Annotated[str, TextField("a file")] | None = Field(
        None,
        description="File with its key, from the project folder, which only you can read; else the key is "
        "CONCH_JUDGE_KEY's.",
    )
    question_limit: Annotated[int, Whole(least=1, most=100000)] = Field(
        50, description="At most so many pairs of answers are put to it, each twice; taken from all over."
    )
    criteria: Annotated[str, TextField("what makes an answer the better one", limit=4000)] | None = Field(
        None, description="What makes an answer the better one, in your own words."
    )


@dataclass(frozen=True, slots=True)
class Scores(FieldType):
    """A mapping of names to the least that each must reach, 0 to 100; the names are judged later."""

    def check(self, value: Any) -> dict[str, float]:
        """The scores."""
        least = Number(least=0, most=100)
        if not isinstance(value, dict):
            raise wrong("a mapping such as {rouge-l: 60}")
        for key, given in value.items():
            number = least.convert(given)
            if number is None or not least.holds(number):
                raise wrong(f"a mapping such as {{rouge-l: 60}}; {key} needs {least.words}")
        return {str(key): float(least.convert(given) or 0) for key, given in value.items()}

    def json(self) -> dict[str, Any]:
        """Its JSON Schema."""
        return {"type": "object", "additionalProperties": Number(least=0, most=100).json()}


class Target(Section):
    """How good is good enough: a run that falls short of any of it exits 5, and --until target goes on."""

    checks: Annotated[float, Number(above=0, most=1)] | None = Field(
        None, description="Least share of the conversations under verify.checks that pass, e.g. 0.95."
    )
    paraphrases: Annotated[float, Number(above=0, most=1)] | None = Field(
        None, description="Least share of the held-out paraphrases that are answered right."
    )
    metrics: Annotated[dict[str, float], Scores()] = Field(
        default_factory=dict,
        description="Least mean of each metric over evaluate.split, 0 to 100, e.g. {rouge-l: 60}.",
    )
    regression: Annotated[float, Number(least=0, most=1)] | None = Field(
        None,
        description="How much smaller than the base's the share of general questions may be that the tuned "
        "model answers; 0 for not at all. Both are asked them then.",
    )

    @property
    def given(self) -> bool:
        """Whether anything is aimed at."""
        return bool(self.metrics) or any(
            one is not None for one in (self.checks, self.paraphrases, self.regression)
        )
