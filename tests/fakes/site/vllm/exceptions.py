"""What vLLM refuses."""


class VLLMClientError(Exception):
    """The request is to blame."""
