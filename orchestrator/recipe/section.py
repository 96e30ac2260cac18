"""What every section of a recipe is, and the kinds of text that more than one of them holds."""

from pydantic import BaseModel, ConfigDict

from orchestrator.recipe.fields import NAME_PATTERN, NAME_WORDS, TextField

NAME = TextField(NAME_WORDS, NAME_PATTERN)
WORD = TextField("one word", r"^[A-Za-z0-9][A-Za-z0-9._-]*$", 64)
SERVED = TextField("a model name without spaces", r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$", 128)


class Section(BaseModel):
    """What all sections are: frozen, and strangers to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, serialize_by_alias=True)
