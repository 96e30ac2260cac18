"""Engine settings: what `vllm:` and `llamafactory:` can do to the machine, however they are written.

By recipe, by the overlay of a hardware profile, by --set, by a variable, by a sweep, by a recipe that another
extends, and by a rendered file.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.hostile import Hostile, Place, together, write
from tests.faults.hostile.recipe_files import AT, recipe_and
from tests.small_world import RECIPE

PLAN = ("plan", "small")
SECRET = "hf_CANARYCANARYCANARY"
RUNS = "it runs code"
FILES = "files that are named there"
OPENS = "it opens a port"
OURS = "Conch sets this itself"
LOGGING = "can run any command"
UNKNOWN = "no such option"
OTHER = "would be read as another option"


def vllm(name: str, setting: str, *said: str) -> Hostile:
    """A setting of vLLM in the recipe."""
    return Hostile(name, recipe_and(f"vllm: {{{setting}}}\n"), PLAN, 2, (f"{AT}:11:", *said))


def trainer(name: str, setting: str, *said: str) -> Hostile:
    """A setting of LLaMA-Factory in the recipe."""
    return Hostile(name, recipe_and(f"llamafactory: {{{setting}}}\n"), PLAN, 2, (f"{AT}:11:", *said))


def setting(name: str, words: str, *said: str) -> Hostile:
    """A setting on the command line."""
    return Hostile(name, write("unused", ""), (*PLAN, "--set", words), 2, said, (SECRET,))


def edited(name: str, more: str) -> Callable[[Place], object]:
    """A run that is finished, and a file of it with another line."""

    def make(place: Place) -> None:
        place.world.after("run", "small")
        path = place.world.last().path / name
        path.write_text(path.read_text(encoding="utf-8") + more + "\n", encoding="utf-8")

    return make


CASES = (
    # The reproduced attack, in every spelling and from every place.
    vllm("a logging configuration", "log-config-file: inputs/base/log.json", LOGGING),
    vllm("a logging configuration with underscores", "log_config_file: inputs/base/log.json", LOGGING),
    vllm("a logging configuration, abbreviated", "log-config: inputs/base/log.json", LOGGING),
    vllm("a logging configuration with dashes", "--log-config-file: inputs/base/log.json", LOGGING),
    vllm("a logging configuration in capitals", "LOG_CONFIG_FILE: inputs/base/log.json", LOGGING),
    vllm("a logging configuration in its key", '"log-config-file=inputs/base/log.json": true', LOGGING),
    vllm("a logging configuration as a leaf", "logging-config: {pylogging_config_file: a.json}", LOGGING),
    vllm("a logging configuration, dotted", "logging_config.pylogging-config-file: a.json", LOGGING),
    vllm(
        "a logging configuration as JSON", 'logging-config: \'{"pylogging_config_file": "a.json"}\'', LOGGING
    ),
    Hostile(
        "a logging configuration for one profile",
        recipe_and("hardware: {cpu: {vllm: {log-config-file: a.json}}}\n"),
        PLAN,
        2,
        (f"{AT}:11:", LOGGING),
        also_json=True,
    ),
    setting("a logging configuration by --set", "vllm.log-config-file=a.json", LOGGING),
    setting("a logging configuration in a mapping by --set", "vllm={log_config_file: a.json}", LOGGING),
    setting("a dotted leaf by --set", "vllm.logging-config.pylogging_config_file=a.json", LOGGING),
    Hostile(
        "a logging configuration by a variable",
        write("unused", ""),
        PLAN,
        2,
        (LOGGING,),
        env={"CONCH_SET_VLLM": "{log-config-file: a.json}"},
    ),
    Hostile(
        "a logging configuration in what a recipe extends",
        together(
            write("recipes/child.yaml", "extends: small\n"), recipe_and("vllm: {log-config-file: a.json}\n")
        ),
        ("plan", "child"),
        2,
        (f"{AT}:11:", LOGGING),
    ),
    *(
        Hostile(
            f"a logging configuration for {' '.join(words)}",
            recipe_and("vllm: {log-config: a}\n"),
            words,
            2,
            (LOGGING,),
        )
        for words in (("run", "small"), ("sft", "small"), ("serve", "small"), ("verify", "small"))
    ),
    # A value that becomes another option on vLLM's command line.
    vllm("a flag with another option behind it", "enforce-eager: --log-config-file=a.json", OTHER),
    vllm("a list with another option in it", "disable-log-stats: [--log-config-file, a.json]", OTHER),
    vllm("a number that is another option", "seed: --scheduler-cls=os.system", OTHER),
    vllm("a single dash", "max-num-seqs: -Oa.b", OTHER),
    vllm("a text that is JSON", "quantization: '{\"a\": 1}'", "read as a mapping"),
    vllm("a mapping for a number", "seed: {a: 1}", "it takes a word, a number"),
    vllm("a number for a mapping", "compilation-config: 3", "takes a mapping"),
    vllm("a NUL in a value", 'tool-call-parser: "a\\0b"', "not printed"),
    vllm("an escape sequence in a key", '"\\e[31mseed": 1', "printable"),
    vllm("a key of 5,000 characters", f"? {'x' * 5000}\n  : 1", "128 characters"),
    # Code.
    vllm("a scheduler", "scheduler-cls: os.system", RUNS),
    vllm("an executor", "distributed-executor-backend: os.system", RUNS, "mp, uni"),
    vllm("ray", "distributed-executor-backend: ray", "mp, uni"),
    vllm("a worker", "worker_extension_cls: a.b", RUNS),
    vllm("a compiler backend", "compilation-config: {backend: a.b}", RUNS),
    vllm("a compiler pass", "compilation-config: {inductor_passes: {a: b.c}}", RUNS),
    vllm("any settings of the compiler", "compilation-config: {inductor_compile_config: {a: b}}", RUNS),
    vllm("a connector for encoder caches", "ec-transfer-config: {ec_connector_module_path: a}", RUNS),
    vllm("a connector for key-value caches", "kv-transfer-config: {kv_connector: A}", RUNS),
    vllm("a drafter of one's own", "speculative-config: {method: custom_class}", "ngram, suffix, mtp"),
    vllm("a drafter of one's own, in short", "spec-method: custom_class", "ngram, suffix, mtp"),
    vllm("another configuration of the model", "hf-overrides: {auto_map: {AutoModel: a.B}}", "not known"),
    vllm("another class for the model", "model-class-overrides: {A: 'os:system'}", RUNS),
    vllm("middleware", "middleware: [a.b]", RUNS),
    vllm("logits processors", "logits_processors: [a.b]", RUNS),
    vllm("a plug-in for tools", "tool-parser-plugin: a.py", RUNS),
    vllm("a plug-in for thinking", "reasoning-parser-plugin: a.py", OURS),
    vllm(
        "a plug-in for thinking, as a leaf", "structured-outputs-config.reasoning_parser_plugin: a.py", OURS
    ),
    vllm("tools on this machine", "tool-server: demo", "run tools on this machine"),
    vllm("weights that are pickles", "load-format: pt", "pickles"),
    vllm("code of the model", "trust-remote-code: true", OURS),
    vllm("code of the model, abbreviated", "trust-remote: true", OURS),
    vllm("a manager of caches", "ec-manager-config: {encoder_cache_manager_cls: a.b}", RUNS),
    # Files, ports, what is Conch's.
    vllm("this machine's files for requests", "allowed-local-media-path: /", "read this machine's files"),
    vllm("a profile on disk", "profiler-config: {profiler: torch, torch_profiler_dir: /etc}", "write files"),
    vllm("a folder for compiled code", "compilation-config: {cache_dir: /tmp/theirs}", FILES),
    vllm("adapters from anywhere", "lora-modules: [{name: a, path: /x}]", FILES),
    vllm("events on an open port", 'kv-events-config: {endpoint: "tcp://*:5557"}', OPENS),
    vllm("another port", "grpc-port: 1", OPENS),
    vllm("another machine", "master-addr: 10.0.0.1", OPENS),
    vllm("traces to another machine", 'otlp-traces-endpoint: "http://x.test"', OPENS),
    vllm("every web page", "allowed-origins: '[\"*\"]'", OPENS),
    vllm("a socket", "uds: /tmp/s", "where Conch does not look"),
    vllm("another configuration file", "config: a.yaml", OURS),
    vllm("another host", "host: 0.0.0.0", OURS),
    vllm("its help", "help: true", OURS),
    vllm("an option of no version", "run-anything: a.b", UNKNOWN, "docs/engine-options.md"),
    Hostile(
        "20,000 options of no version",
        recipe_and("vllm: {" + ", ".join(f"run-{number}: 1" for number in range(20_000)) + "}\n"),
        PLAN,
        2,
        (f"{AT}:11:", UNKNOWN),
    ),
    vllm("a leaf of no version", "compilation-config: {pass_config: {run: a.b}}", UNKNOWN),
    # LLaMA-Factory.
    trainer("a configuration of DeepSpeed", "deepspeed: /tmp/ds.json", "commands that it starts"),
    trainer("a configuration of DeepSpeed, whole", "deepspeed: {autotuning: {enabled: true}}", "commands"),
    trainer("a configuration of DeepSpeed as JSON", "deepspeed: '{\"a\": 1}'", "commands that it starts"),
    trainer("another reference model", "ref_model: org/model", FILES),
    trainer("a reward model", "reward_model: 'http://x.test'", "loads a pickle"),
    trainer("a reward from a server", "reward_model_type: api", OURS),
    trainer("a resumed pickle", "resume_from_checkpoint: /tmp/theirs", OURS),
    trainer("code of the model for training", "trust_remote_code: true", OURS),
    trainer("an output elsewhere", "output_dir: /etc", OURS),
    trainer("data from elsewhere", "dataset_dir: 'REMOTE:org/data'", OURS),
    trainer("code from a hub", "flash_attn: fa3", "load code from a hub"),
    trainer("another compiler", "torch_compile_backend: os.system", RUNS),
    trainer("an upload", "push_to_hub: true", "uploads nothing"),
    trainer("a report to a service", "report_to: wandb", "to a service", "none, tensorboard"),
    trainer("a report to services", "report_to: all", "to a service"),
    trainer("ray's ports", "ray_init_kwargs: {address: 'ray://x.test'}", "CVE-2023-48022"),
    trainer("a file instead of a mapping", "fsdp_config: /etc/passwd", "takes a mapping"),
    trainer("a file as JSON", "accelerator_config: '{\"run\": 1}'", UNKNOWN),
    trainer("an interpolation", '"${oc.env:HOME}": 1', "interpolation"),
    trainer("a module for parallelism", "parallelism_config: {a: 1}", RUNS),
    trainer("a tokenizer file", "new_special_tokens_config: /etc/passwd", FILES),
    trainer("an option of another spelling", "output-dir: /etc", UNKNOWN, '"output_dir"'),
    # Secrets.
    Hostile(
        "a key of SwanLab",
        recipe_and(f"llamafactory: {{swanlab_api_key: {SECRET}}}\n"),
        PLAN,
        2,
        (f"{AT}:11:", "SWANLAB_API_KEY"),
        (SECRET,),
        also_json=True,
    ),
    Hostile(
        "a key of the server",
        recipe_and(f"vllm: {{api-key: {SECRET}}}\n"),
        PLAN,
        2,
        ("CONCH_API_KEY",),
        (SECRET,),
        also_json=True,
    ),
    setting("a token by --set", f"llamafactory.hf_hub_token={SECRET}", "HF_TOKEN"),
    setting("a token in a mapping by --set", f"llamafactory={{hub_token: {SECRET}}}", "HF_TOKEN"),
    setting("a webhook by --set", f"llamafactory.swanlab_lark_webhook_url=https://{SECRET}", "a secret"),
    # Files of a run that were edited by hand.
    *(
        Hostile(f"{file} edited: {more}", edited(file, more), ("prove", "small"), 2, (file, said))
        for file, more, said in (
            ("server.yaml", "log-config-file: inputs/base/log.json", LOGGING),
            ("server.yaml", "seed: --log-config-file=a.json", OTHER),
            ("train.yaml", "deepspeed: /tmp/ds.json", "commands that it starts"),
            ("train.yaml", "model_name_or_path: /tmp/theirs", OURS),
        )
    ),
)
assert RECIPE.count("\n") == 10, "what is added is line 11"
