"""Where base models and data files come from: one file per hub with its name, addresses and variables. Pure.

REMOTE holds the hubs that `hub:` in a recipe or a dataset entry chooses; HUBS adds those that a base name
itself chooses. The code that fetches is in execute/models/ and, for a remote hub, probes/hubs/NAME.py.
Everyone may import it; it imports nothing of Conch.
"""

from collections import ChainMap
from collections.abc import Mapping

from orchestrator.hubs import embedded, huggingface, local, modelscope, recipe
from orchestrator.hubs.base import TOKEN_HOSTS, Hub

__all__ = ["DEFAULT", "HUBS", "REMOTE", "TOKEN_HOSTS", "Hub", "hub_of", "token_variables", "variables"]

DEFAULT = huggingface.hub.name
REMOTE: dict[str, Hub] = {hub.name: hub for hub in (huggingface.hub, modelscope.hub)}
HUBS: Mapping[str, Hub] = ChainMap(REMOTE, {hub.name: hub for hub in (local.hub, embedded.hub, recipe.hub)})


def hub_of(base: str, chosen: str) -> Hub:
    """The hub of a base model: the one that its name belongs to, otherwise the chosen one.

    >>> hub_of("./models/mine", "modelscope").name, hub_of("Qwen/Qwen3-0.6B", "modelscope").name
    ('local', 'modelscope')
    """
    return next((hub for hub in HUBS.values() if hub.owns(base)), None) or HUBS[chosen]


def token_variables() -> tuple[str, ...]:
    """The variables that hold the user's access tokens."""
    return tuple(hub.token for hub in REMOTE.values())


def variables() -> frozenset[str]:
    """The variables without secrets that the hubs' libraries read."""
    names = (name for hub in REMOTE.values() for name in (hub.endpoint, *hub.variables))
    return frozenset({TOKEN_HOSTS, *names})
