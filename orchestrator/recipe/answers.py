"""The sections about answers: questions, checks, scoring, judge and target.

Whether a named check or metric exists is checked in the layers above.
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
from orchestrator.recipe.section import NAME, SERVED, WORD, Section
from orchestrator.recipe.tools import Tools

URL = TextField(
    "an address like http://127.0.0.1:8000/v1, without a name, a password or a query",
    r"^https?://[^\s@?#]+$",
    2000,
)


class CheckCase(Section):
    """One conversation, or one for each row of a part of the data, and the checks of its answers."""

    ask: Annotated[tuple[str, ...], ListField(TextField("a question"))] | None = Field(
        None, description="A question, or a list: the turns of one conversation."
    )
    part: Annotated[str, Choice(("test", "validation", "train"))] | None = Field(
        None,
        alias="from",
        description="Instead of ask: the questions of the rows in this part of the data; `equals: "
        "reference`, `contains: reference` and `similar: {least: 0.5}` compare with each row's own answer.",
    )
    limit: Annotated[int, Whole(least=1, most=1000000)] | None = Field(
        None, description="With from: maximum number of rows, evenly spread; all if unset."
    )
    system: Annotated[str, TextField("a system prompt")] | None = Field(None, description="System prompt.")
    tools: Annotated[tuple[dict[str, Any], ...], Tools()] = Field(
        (), description="Tools that the model may call, in OpenAI's format; checked by tool_call."
    )
    results: Annotated[tuple[str, ...], ListField(TextField("what a tool returns"), least=0)] = Field(
        (), description="What the called tools return, in order; the model answers with them."
    )
    expect: Annotated[dict[str, object], Mapped("a mapping of check to argument")] = Field(
        default_factory=dict, description="Check name → its argument, e.g. contains: 神奇海螺."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.ask is None) == (self.part is None):
            raise wrong("a case with either ask or from")
        if self.limit is not None and self.part is None:
            raise wrong("a case with from if it has a limit")
        if self.results and not self.tools:
            raise wrong("a case with tools if it has results")
        return self


class Verify(Section):
    """The questions to the served model and the checks of its answers."""

    base: Annotated[bool, Switch()] = Field(True, description="Ask the base model too, for comparison.")
    max_tokens: Annotated[int, Whole(least=1, most=1048576)] = Field(
        256, description="Maximum answer length in tokens."
    )
    temperature: Annotated[float, Number(least=0, most=2)] = Field(
        0.0, description="Sampling temperature; 0 for the most likely token."
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
    sampled_repeats: Annotated[int, Whole(least=1, most=10000)] = Field(
        5,
        description="How often each conversation is asked again without any sampling value, as ordinary "
        "clients ask; only if the served model then samples.",
    )
    concurrency: Annotated[int, Whole(least=1, most=256)] = Field(
        4, description="Conversations that run in parallel."
    )
    paraphrases: Annotated[bool, Switch()] = Field(
        True,
        description="Ask the dataset's paraphrases, which are not trained; their pass rate is only reported.",
    )


class Evaluate(Section):
    """The rows on which the model's answers are scored against the data's answers."""

    split: Annotated[str, Choice(("none", "test", "validation", "train"))] = Field(
        "none", description="Rows that every run is scored on; none: only conch eval scores."
    )
    limit: Annotated[int, Whole(least=1, most=1000000)] = Field(
        200, description="Maximum number of rows, evenly spread over the split."
    )
    max_tokens: Annotated[int, Whole(least=1, most=1048576)] | None = Field(
        None, description="Maximum answer length in tokens; verify.max_tokens if unset."
    )
    temperature: Annotated[float, Number(least=0, most=2)] = Field(
        0.0, description="Sampling temperature; 0 for the most likely token."
    )
    concurrency: Annotated[int, Whole(least=1, most=1024)] = Field(
        16, description="Requests that run in parallel."
    )
    base: Annotated[bool, Switch()] = Field(True, description="Score the base model too.")
    general: Annotated[bool, Switch()] = Field(
        False,
        description="Ask the tuned and the base model 24 general knowledge questions that come with "
        "Conch, to see what was forgotten.",
    )


class Judge(Section):
    """What decides which of two answers is better: any OpenAI-compatible endpoint, or a reward model."""

    base_url: Annotated[str, URL] = Field(
        "", description="Endpoint of the judge; usually ends with /v1. With model, or instead recipe."
    )
    model: Annotated[str, SERVED] = Field("", description="Its model name at that endpoint.")
    recipe: Annotated[str, NAME] | None = Field(
        None,
        description="Instead of base_url and model: a recipe that trains a reward model and that conch serve "
        "serves; the answer with the higher score is better.",
    )
    key_file: Annotated[str, TextField("a file")] | None = Field(
        None,
        description="File with its key, relative to the project, readable only by you; if unset, "
        "CONCH_JUDGE_KEY is used.",
    )
    question_limit: Annotated[int, Whole(least=1, most=100000)] = Field(
        50, description="Maximum number of answer pairs to judge, each twice, evenly spread."
    )
    criteria: Annotated[str, TextField("what makes an answer the better one", limit=4000)] | None = Field(
        None, description="What makes an answer better, in your own words; a reward model takes none."
    )

    @model_validator(mode="after")
    def _one_judge(self) -> Self:
        if self.recipe is None and not (self.base_url and self.model):
            raise wrong("a judge with base_url and model, or with recipe")
        if self.recipe and (self.base_url or self.model or self.criteria):
            raise wrong("a judge with recipe alone: without base_url, model and criteria")
        return self


@dataclass(frozen=True, slots=True)
class Scores(FieldType):
    """A mapping of names to the minimum that each must reach, 0 to 100; the names are checked later."""

    def check(self, value: object) -> dict[str, float]:
        least = Number(least=0, most=100)
        if not isinstance(value, dict):
            raise wrong("a mapping such as {rouge-l: 60}")
        for key, given in value.items():
            number = least.convert(given)
            if number is None or not least.holds(number):
                raise wrong(f"a mapping such as {{rouge-l: 60}}; {key} needs {least.words}")
        return {str(key): float(least.convert(given) or 0) for key, given in value.items()}

    def json(self) -> dict[str, object]:
        return {"type": "object", "additionalProperties": Number(least=0, most=100).json()}


class Target(Section):
    """Minimum results: a run that misses any of them exits with 5, and --until target continues."""

    checks: Annotated[float, Number(above=0, most=1)] | None = Field(
        None, description="Minimum share of the conversations under verify.checks that pass, e.g. 0.95."
    )
    paraphrases: Annotated[float, Number(above=0, most=1)] | None = Field(
        None, description="Minimum share of held-out paraphrases that are answered correctly."
    )
    metrics: Annotated[dict[str, float], Scores()] = Field(
        default_factory=dict,
        description="Minimum mean of each metric over evaluate.split, 0 to 100, e.g. {rouge-l: 60}.",
    )
    regression: Annotated[float, Number(least=0, most=1)] | None = Field(
        None,
        description="How far the tuned model's share of correctly answered general questions may fall "
        "below the base model's; 0 for not at all. Both models are then asked these questions.",
    )

    @property
    def given(self) -> bool:
        """Whether the recipe has a target."""
        return bool(self.metrics) or any(
            one is not None for one in (self.checks, self.paraphrases, self.regression)
        )
