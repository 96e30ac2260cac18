"""vLLM 0.32: the config file of `vllm serve`, the command that starts it, and its environment.

Facts: the CPU back end's compiled bfloat16 mode answers wrongly and starts slowly, so a CPU serves
eagerly in float32; `--chat-template` overrides the template in the model folder.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from orchestrator.backends.base import Symptom, yaml_text
from orchestrator.backends.options.vllm import OPTIONS
from orchestrator.backends.serving_engine import Limitations
from orchestrator.plan.stage import Command, Runtime, Service
from orchestrator.recipe.sampling import ServedSampling
from orchestrator.templates.tool_formats import ACTION

if TYPE_CHECKING:
    from orchestrator.plan.job import Job

name, passage, options = "vllm", "vllm", OPTIONS
key_variable = "VLLM_API_KEY"
tool_parser_option = "tool-call-parser"
# Paths of the API server that its key does not guard; of a reward model, /classify and /score too.
open_paths = "/tokenize, /detokenize, /health, /version, /metrics, /load, /invocations, /pooling"
_VARIABLES: Mapping[str, str] = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_HOST_IP": "127.0.0.1",  # torch's store listens on every interface otherwise
    "VLLM_MAX_N_SEQUENCES": "64",
    "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
}
limitations = Limitations(
    adapter_logprobs="vLLM exits if a request for prompt_logprobs names an adapter that is not merged"
)
request_hints: Mapping[str, str] = {
    "tool-call-parser": "add enable-auto-tool-choice: true and tool-call-parser: NAME to the recipe's vllm "
    "passage"
}
symptoms: tuple[Symptom, ...] = (
    Symptom(
        r"Free memory on device[^\n]*?\((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\)[^\n]*"
        r"less than desired GPU memory utilization",
        "not enough free GPU memory ({free} of {total} GiB are free)",
        "stop the processes on the GPU (nvidia-smi), or --set vllm.gpu_memory_utilization={fits}",
        missing=True,
    ),
    Symptom(
        r"estimated maximum model length is (?P<length>\d+)",
        "the KV cache is too small for serve.max_model_len; at most {length} fits",
        "--set serve.max_model_len={length}",
        missing=True,
    ),
    Symptom(
        r"No available memory for the cache blocks",
        "no memory is left for the KV cache",
        "lower serve.max_model_len, or give vLLM more memory (vllm.gpu_memory_utilization)",
        missing=True,
    ),
    Symptom(
        r"(?m)^(?:usage: )?vllm[^\n]*: error: (?P<error>[^\n]+)",
        "it does not accept its options: {error}",
        "correct the recipe's vllm: passage",
    ),
)
phases: tuple[tuple[str, str], ...] = (
    (r"^", "loading the server's modules"),
    (r"vLLM API server version|version \d[\w.+]*, serving model", "reading the model's configuration"),
    (r"Initializing a V1 LLM engine|Initializing an LLM engine", "starting the engine"),
    (r"Starting to load model|Loading safetensors checkpoint shards", "loading the weights"),
    (r"Loading weights took", "setting up the KV cache"),
    (r"[Cc]apturing (?:CUDA|cuda) graph|torch\.compile", "compiling"),
    (r"Starting vLLM (?:API )?server|Application startup complete", "waiting for the first token"),
)


def config(job: Job, *, chat_template: str = "chat_template.jinja") -> str:
    """The file for `vllm serve --config`; host, port and model names are on the command line."""
    settings: dict[str, object] = {
        "dtype": job.dtype,
        "max-model-len": job.recipe.serve.max_model_len,
        "chat-template": chat_template,
        "reasoning-parser": job.reasoning_parser,
        "enable-auto-tool-choice": True if job.tool_parser else None,
        tool_parser_option: job.tool_parser,
        "enforce-eager": True if job.hardware == "cpu" else None,
        "runner": "pooling" if job.kind.scores else None,
        "convert": "classify" if job.kind.scores else None,
    }
    given = {key: value for key, value in settings.items() if value is not None}
    # One spelling of each, so that a value of the recipe's passage replaces ours.
    return yaml_text({**given, **options.rendered(job.recipe.vllm)})


def service(
    job: Job, *, name: str, folder: str, warm_during: str, config: str, host: str = "127.0.0.1"
) -> Service:
    """`vllm serve` of a model folder; the warm command is the same server, its imports done."""
    model, env = job.recipe.served_model, environment(job)
    words = ("serve", folder, "--config", config, "--host", host, "--port", "{port}")
    names = ("--served-model-name", model)
    argv = ("{serve}/bin/vllm", *words, *names, *_parser_plugin(job))
    return Service(
        name=name,
        command=Command(argv=argv, runtime=Runtime.SERVE, env=env),
        model=model,
        engine="vllm",
        reasoning_parser=job.reasoning_parser or "",
        scores=job.kind.scores,
        warm=Command(
            argv=("{serve}/bin/python", "{probes}/engines/warm_vllm.py"), runtime=Runtime.SERVE, env=env
        ),
        warm_during=warm_during,
        ready_timeout=job.recipe.serve.ready_timeout,
    )


def _parser_plugin(job: Job) -> tuple[str, ...]:
    """What makes content begin with the answer, whichever parser takes off the thinking (see the probe).

    And what reads the calls of LLaMA-Factory's default tool format, for which vLLM has no parser.
    """
    thinking = (
        ("--reasoning-parser-plugin", "{probes}/engines/answer_parser.py") if job.reasoning_parser else ()
    )
    tools = ("--tool-parser-plugin", "{probes}/engines/tool_parser.py") if job.tool_parser == ACTION else ()
    return (*thinking, *tools)


def environment(job: Job) -> dict[str, str]:
    """The variables of a server; on a CPU they set its memory and its cores."""
    # vLLM trusts what it finds in its cache, so it gets one of its own, beside the environment that fills it.
    env = {**_VARIABLES, "VLLM_CACHE_ROOT": "{serve}/.cache/vllm"}
    if job.hardware == "cpu":
        # GiB for the KV cache. By default the CPU back end leaves one of two cores idle and does not bind its
        # threads: 1.6 times slower than one thread bound to each core.
        env |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "{cores}"}
    return env


def sampling(served: ServedSampling) -> tuple[str, ...]:
    """The words that give the server its default sampling.

    vLLM reads a model's generation_config.json, but not that it is greedy, nor values at their defaults. From
    that file max_new_tokens is a default; given here it would be a limit for every request.

    >>> sampling(ServedSampling(temperature=0.6))[1]
    '{"temperature": 0.6, "top_p": 1, "top_k": 0, "repetition_penalty": 1}'
    """
    values = {key: value for key, value in asdict(served).items() if key != "max_tokens"}
    return ("--override-generation-config", json.dumps(values))


_DEFAULTS = re.compile(r"Default vLLM sampling parameters have been overridden by [^\n]*?: `(\{[^`\n]*\})`")
# Of a request that names no value, where the server has no default of its own (chat_completion/protocol.py).
_NEUTRAL = {"temperature": 1.0, "top_p": 1.0, "top_k": 0.0, "repetition_penalty": 1.0}


def defaults(log: str, address: str) -> Mapping[str, float] | None:
    """How the server at an address samples by default, as it logs it at its start; None if it is not its log.

    Its endpoint that shows the same (/v1/chat/completions/render) opens others that need no key.
    """
    ready = log.rfind(f"Starting vLLM server on {address}")
    if ready < 0:
        return None
    said = _DEFAULTS.findall(log, max(0, log.rfind("vLLM API server version", 0, ready)))
    try:
        given = ast.literal_eval(said[-1]) if said else {}
        return _NEUTRAL | {str(key): float(value) for key, value in given.items()}
    except (ValueError, SyntaxError, TypeError, AttributeError):
        return None


# The values that vLLM accepts for --max-lora-rank (config/lora.py of 0.32).
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


def of_folder(service: Service, folder: str, *, name: str) -> Service:
    """The same server for another model folder, without a warm start."""
    program, verb, _, *options = service.command.argv
    command = replace(service.command, argv=(program, verb, folder, *options))
    return replace(service, name=name, command=command, warm=None, warm_during="")


def with_adapters(service: Service, adapters: Mapping[str, str], rank: int, *, name: str) -> Service:
    """One server of the base and of adapters; prompt_logprobs end it (einsum in its lora layers)."""
    based = of_folder(service, "inputs/base", name=name)
    argv = list(based.command.argv)
    argv[argv.index("--served-model-name") + 1] = "base"
    modules = [f"{model}={folder}" for model, folder in adapters.items()]
    most = next(allowed for allowed in LORA_RANKS if allowed >= min(rank, LORA_RANKS[-1]))
    argv += ["--enable-lora", "--max-lora-rank", str(most), "--max-loras", str(len(adapters))]
    argv += ["--lora-modules", *modules]
    return replace(based, command=replace(based.command, argv=tuple(argv)), model="base")
