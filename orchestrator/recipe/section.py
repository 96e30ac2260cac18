"""The base of a recipe's sections, and the text types that several of them use."""

import sys
from types import ModuleType

from pydantic import BaseModel, ConfigDict

from orchestrator.recipe.fields import NAME_PATTERN, NAME_WORDS, TextField

# Pydantic plugins installed beside Conch must not change recipes, and the search for them takes a tenth of
# the time of `conch plan` (benchmarks/cold_start.py).
_no_plugins = ModuleType("pydantic.plugin._loader")
_no_plugins.get_plugins = tuple  # type: ignore[attr-defined]  # a module of our own
sys.modules.setdefault(_no_plugins.__name__, _no_plugins)

NAME = TextField(NAME_WORDS, NAME_PATTERN)
WORD = TextField("one word", r"^[A-Za-z0-9][A-Za-z0-9._-]*$", 64)
SERVED = TextField("a model name without spaces", r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$", 128)


class Section(BaseModel):
    """Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, serialize_by_alias=True)
