"""Hugging Face, or a mirror that speaks its protocol."""

from orchestrator.hubs.base import Hub

hub = Hub(
    name="huggingface",
    home_page="https://huggingface.co",
    official=("hf.co",),
    token="HF_TOKEN",  # noqa: S106  a variable's name
    no_token={"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"},
    endpoint="HF_ENDPOINT",
    mirror="https://hf-mirror.com",
    library="huggingface_hub",
    install="pip install huggingface_hub",
    variables=(
        *("HF_HOME", "HF_HUB_CACHE", "HF_TOKEN_PATH", "HF_XET_HIGH_PERFORMANCE", "HF_HUB_DISABLE_XET"),
        *("HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"),
    ),
    settings={
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    },
    # A mirror does not cover Xet: its storage is addressed by name (huggingface_hub#4475).
    mirror_settings={"HF_HUB_DISABLE_XET": "1"},
)
