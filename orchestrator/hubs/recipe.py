"""The model that another recipe of the project exports: recipe:NAME."""

from orchestrator.hubs.base import Hub

PREFIX = "recipe:"
# The links in a run's folder to the exports that the run is built on.
LINK = "base_export"
REWARD_LINK = "reward_export"

hub = Hub(name="recipe", base_pattern=rf"{PREFIX}.*")


def recipe_of(base: str) -> str:
    """The recipe that a base name means; "" for any other base.

    >>> recipe_of("recipe:pretrain"), recipe_of("./recipe")
    ('pretrain', '')
    """
    return base.removeprefix(PREFIX) if base.startswith(PREFIX) else ""
