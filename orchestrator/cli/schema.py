"""`conch schema`: the JSON Schema with which editors complete and check recipes."""

from __future__ import annotations

from orchestrator.cli.verb import Outcome, verb


@verb(example="conch schema > recipes/recipe.schema.json")
def schema() -> Outcome:
    """Print the JSON Schema of a recipe file (draft 2020-12).

    Editors with YAML support complete and check a recipe whose first line is
    `# yaml-language-server: $schema=recipe.schema.json`.
    """
    import json

    from orchestrator.recipe.schema import schema as recipe_schema

    document = recipe_schema()
    return Outcome(data=document, text=json.dumps(document, ensure_ascii=False, indent=2))


command = schema
