"""A renderer that has a tokenizer."""

from types import SimpleNamespace

from letters import Letters


def renderer_from_config(config: object) -> SimpleNamespace:
    """The same tokenizer for every model."""
    return SimpleNamespace(get_tokenizer=Letters)
