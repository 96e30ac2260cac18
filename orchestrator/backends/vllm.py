"""vLLM 0.32: the config file of `vllm serve`, the command that starts it, and its environment.

Facts: the CPU back end's compiled bfloat16 mode answers wrongly and starts slowly, so a CPU serves
eagerly in float32; `--chat-template` overrides whatever the model folder brings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.backends.base import yaml_text
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Command, Runtime, Service

# Keys that Conch renders itself, each with the recipe's own name for it.
OWNED: dict[str, str] = {
    "model": "model.base",
    "tokenizer": "model.base",
    "tokenizer-mode": "model.base",
    "tokenizer-revision": "model.base",
    "skip-tokenizer-init": "model.base",
    "revision": "model.revision",
    "config": "serve",
    "host": "serve.host",
    "port": "serve.port",
    "api-key": "CONCH_API_KEY in the environment, or `conch serve --key-file`",
    "served-model-name": "serve.model",
    "max-model-len": "serve.max_model_len",
    "chat-template": "template",
    "trust-request-chat-template": "template",
    "default-chat-template-kwargs": "template.thinking",
    "chat-template-content-format": "template",
    "reasoning-parser": "serve.reasoning_parser",
    "reasoning-parser-plugin": "serve.reasoning_parser",
    "trust-remote-code": "model.base",
    "dtype": "train.compute_type",
}


_RUNS = "it runs code that is named there"
# Options that would open what is kept shut (vLLM's own docs/usage/security.md, and its advisories).
UNSAFE: dict[str, str] = {
    "allowed-local-media-path": "requests could read this machine's files",
    "enable-prompt-embeds": "a request could load a pickle, or end the server (PYSEC-2026-2303)",
    "enable-tokenizer-info-endpoint": "it shows the chat template to everybody",
    "hf-token": "a secret does not belong in a recipe, and the server is offline",
    "kv-transfer-config": "its ports have no password (CVE-2026-116176)",
    "load-format": "others than safetensors are pickles, which can run code",
    "logits-processors": _RUNS,
    "middleware": _RUNS,
    "profiler-config": "requests could write files",
    "tool-parser-plugin": _RUNS,
    "tool-server": "the model could run tools on this machine",
    "worker-cls": _RUNS,
    "worker-extension-cls": _RUNS,
}


def unsafe(key: str) -> str | None:
    """Why an option is not passed on, in any spelling that vLLM takes for it; None when it is.

    >>> unsafe("enable_prompt_embeds") is not None, unsafe("enable-prefix-caching"), unsafe("seed")
    (True, None, None)
    """
    word = re.split("[=.]", key.lstrip("-"))[0].replace("_", "-").lower()
    return next((why for name, why in UNSAFE.items() if word and name.startswith(word)), None)


def canonical_key(key: str) -> str:
    """The spelling of OWNED for any spelling that vLLM takes for that option.

    Its parser takes underscores, abbreviations, `key=value` and `key.inner` too (utils/argparse_utils.py).

    >>> canonical_key("--max_model_len"), canonical_key("trust-rem"), canonical_key("seed")
    ('max-model-len', 'trust-remote-code', 'seed')
    """
    word = re.split("[=.]", key.lstrip("-"))[0].replace("_", "-").lower()
    if word in OWNED:
        return word
    return next((owned for owned in OWNED if word and owned.startswith(word)), word)


def vllm_yaml(job: Job, *, chat_template: str = "chat_template.jinja") -> str:
    """The file given to `vllm serve --config`; host, port and model names come on the command line."""
    settings: dict[str, Any] = {
        "dtype": job.dtype,
        "max-model-len": job.recipe.serve.max_model_len,
        "chat-template": chat_template,
        "reasoning-parser": job.reasoning_parser,
        "enforce-eager": True if job.hardware == "cpu" else None,
    }
    kept = {key: value for key, value in settings.items() if value is not None}
    # One spelling of each, so that a value of the recipe's passage replaces ours.
    return yaml_text({**kept, **{_dashed(key): value for key, value in job.recipe.vllm.items()}})


def _dashed(key: str) -> str:
    option, *rest = re.split("([=.])", key.lstrip("-"), maxsplit=1)
    return "".join([option.replace("_", "-"), *rest])


def service(
    job: Job, *, name: str, folder: str, warm_during: str, config: str = "vllm.yaml", host: str = "127.0.0.1"
) -> Service:
    """VLLM serving a model folder of the run, under the recipe's name and a one-time name."""
    model = job.recipe.served_model
    arguments = (*serve_arguments(folder, model, config, host), *_parser_plugin(job))
    env = environment(job)
    return Service(
        name=name,
        command=Command(argv=("{serve}/bin/vllm", *arguments), place=Runtime.SERVE, env=env),
        model=model,
        warm=Command(argv=("{serve}/bin/python", "{probes}/warm_vllm.py"), place=Runtime.SERVE, env=env),
        warm_during=warm_during,
        ready_timeout=job.recipe.serve.ready_timeout,
    )


def serve_arguments(folder: str, model: str, config: str, host: str) -> tuple[str, ...]:
    """The words after `vllm`; the port and the one-time name are filled in by the runner."""
    return (
        "serve",
        folder,
        "--config",
        config,
        "--host",
        host,
        "--port",
        "{port}",
        "--served-model-name",
        model,
        "{nonce}",
    )


def _parser_plugin(job: Job) -> tuple[str, ...]:
    """Ours in place of vLLM 0.32's own, which streams a follow-up's thinking as content.

    Why, and what to watch for in later versions: probes/deepseek_r1_parser.py.
    """
    if job.reasoning_parser != "deepseek_r1":
        return ()
    return ("--reasoning-parser-plugin", "{probes}/deepseek_r1_parser.py")


def environment(job: Job) -> dict[str, str]:
    """What vLLM reads from its environment; a CPU back end is told how much memory and which cores."""
    # vLLM trusts what it finds in its cache: it gets one of its own, beside the environment that fills it.
    env = {"VLLM_CACHE_ROOT": "{serve}/.cache/vllm"}
    if job.hardware == "cpu":
        # GiB for the KV cache. Of two cores the back end by default leaves one idle, and threads that are not
        # bound wander: both are 1.6 times slower than every core with its own thread.
        env |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "{cores}"}
    return env


# What vLLM takes for --max-lora-rank (config/lora.py of 0.32).
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


def of_folder(service: Service, folder: str, *, name: str) -> Service:
    """The same server over another model folder of the run, started when it is needed."""
    argv = service.command.argv
    at = argv.index("serve") + 1
    command = replace(service.command, argv=(*argv[:at], folder, *argv[at + 1 :]))
    return replace(service, name=name, command=command, warm=None, warm_during="")


def with_adapters(service: Service, adapters: Mapping[str, str], rank: int, *, name: str) -> Service:
    """One server of the base, as the model "base", and of each adapter under its name, unmerged.

    It can answer, but not score: asked for prompt_logprobs, 0.32 ends (on a CPU, einsum in its lora layers).

    Args:
        service: of a run's export.
        adapters: model name → folder of the run.
        rank: the largest of them.
        name: of the new service.
    """
    based = of_folder(service, "inputs/base", name=name)
    argv = list(based.command.argv)
    argv[argv.index("--served-model-name") + 1] = "base"
    modules = [f"{model}={folder}" for model, folder in adapters.items()]
    most = next(allowed for allowed in LORA_RANKS if allowed >= min(rank, LORA_RANKS[-1]))
    argv += ["--enable-lora", "--max-lora-rank", str(most), "--max-loras", str(len(adapters))]
    argv += ["--lora-modules", *modules]
    return replace(based, command=replace(based.command, argv=tuple(argv)), model="base")
