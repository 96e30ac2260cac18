"""A chat request."""

from types import SimpleNamespace


class ChatCompletionRequest(SimpleNamespace):
    """Its fields as they were given."""
