"""ModelScope (魔搭)."""

from orchestrator.hubs.base import Hub

hub = Hub(
    name="modelscope",
    home_page="https://modelscope.cn",
    official=("www.modelscope.cn", "modelscope.ai", "www.modelscope.ai"),
    token="MODELSCOPE_API_TOKEN",  # noqa: S106  a variable's name
    no_token={"MODELSCOPE_API_TOKEN": ""},
    endpoint="MODELSCOPE_ENDPOINT",
    old_endpoint="MODELSCOPE_DOMAIN",
    library="modelscope_hub",
    install="conch env sync train, or: pip install 'conch[modelscope]'",
    variables=(
        *("MODELSCOPE_DOMAIN", "MODELSCOPE_CACHE", "MODELSCOPE_HOME"),
        *("MODELSCOPE_DOWNLOAD_PARALLEL_WORKERS", "MODELSCOPE_DOWNLOAD_MAX_RETRIES"),
    ),
    # The library's limit of one hour per file is too short for a shard on a slow line; Conch detects stalls.
    settings={"MODELSCOPE_DOWNLOAD_TOTAL_TIMEOUT": "604800"},
    mirror_settings={"MODELSCOPE_DOWNLOAD_INTRA_CLOUD": "false"},
)
