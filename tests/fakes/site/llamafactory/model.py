"""Loading, without a model."""

from letters import Letters


def load_tokenizer(model_args: object) -> dict:
    """A tokenizer, and no processor."""
    return {"tokenizer": Letters(), "processor": None}
