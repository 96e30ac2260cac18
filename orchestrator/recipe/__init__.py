"""What a recipe may hold, and how files and settings become one checked Recipe.

YAML with positions (document, scalars), the sections (sections, fields), how they are composed (compose,
explain), the schema for editors (schema). Pure: text and mappings in, values or UsageError out. Not here:
reading files (execute/recipes.py); whether a named dataset, template or check exists (the layers above).
"""

from orchestrator.recipe.answers import CheckCase, Evaluate, Judge, Target, Verify
from orchestrator.recipe.compose import Resolved, compose, extends_of
from orchestrator.recipe.document import SIZE_LIMIT, RecipeSource
from orchestrator.recipe.fields import NAME_PATTERN, NAME_WORDS
from orchestrator.recipe.sections import Data, Export, Hardware, Model, Recipe, Serve, Template, Train
from orchestrator.recipe.sweep import Sweep

__all__ = [
    "NAME_PATTERN",
    "NAME_WORDS",
    "SIZE_LIMIT",
    "CheckCase",
    "Data",
    "Evaluate",
    "Export",
    "Hardware",
    "Judge",
    "Model",
    "Recipe",
    "RecipeSource",
    "Resolved",
    "Serve",
    "Sweep",
    "Target",
    "Template",
    "Train",
    "Verify",
    "compose",
    "extends_of",
]
