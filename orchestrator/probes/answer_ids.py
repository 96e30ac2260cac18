"""The answers of base, adapter and export to the same questions. Run by the train environment's Python.

    python answer_ids.py train.yaml --adapter adapter --export export --questions tasks/why.json --out OUT

The prompts are token ids from LLaMA-Factory's own template with the run's train.yaml, made as training makes
the context of an answer: `encode_multiturn` with the run's thinking and mask_history. A later turn contains
the model's own earlier answers, thoughts included; the template removes thoughts as it does in training.

base and adapter are the model that LLaMA-Factory trains, with the adapter switched off and on, in the
precision of training; with full and freeze, --adapter is the trained model, and each is loaded as a whole.
merged is --export as transformers loads it, asked with the training tokenizer. Questions are asked one at a
time: padding and batches can decide near ties differently.

--questions: {"questions": [{"case", "purpose", "system", "turns": [text]}], "max_tokens", "bare"}; bare: with
mixed thinking, answers were trained after an empty thought. Writes OUT/{base,adapter,merged}.jsonl:

    {"arm", "versions", "stop_token_ids"}
    {"case", "purpose", "turns": [{"question", "prompt", "ids", "text", "finish"}]}

`prompt` and `ids` are token ids, `ids` without the stop token; finish is "stop" or "length". Not covered:
models that do not fit in one process.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from tokens import Row, offline, put, refuse, versions
from train_settings import model_settings

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def main() -> None:
    """Write one file per arm."""
    arguments = parse_arguments()
    offline()
    request = read_request(Path(arguments.questions))
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="conch-why-") as scratch:
        settings = model_settings(arguments.train_yaml, scratch)
        # Gradient checkpointing would turn the KV cache off, which is slow and changes nothing.
        settings["disable_gradient_checkpointing"] = True
        for arm, asker in arms(settings, arguments.adapter, arguments.export, request):
            with (out / f"{arm}.jsonl").open("w", encoding="utf-8") as stream:
                put(stream, asker.about() | {"arm": arm})
                for number, question in enumerate(request["questions"], 1):
                    put(stream, asker.converse(question))
                    message = f"conch: answered {arm} {number}/{len(request['questions'])}"
                    print(message, file=sys.stderr, flush=True)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="What base, adapter and export answer.")
    add = parser.add_argument
    add("train_yaml", help="the rendered LLaMA-Factory configuration")
    add("--adapter", required=True, help="the trained adapter; with full and freeze the trained model")
    add("--export", required=True, help="the merged model")
    add("--questions", required=True, help="the questions")
    add("--out", required=True, help="the folder to write into")
    return parser.parse_args()


def read_request(path: Path) -> Row:
    """The questions."""
    try:
        request = json.loads(path.read_text(encoding="utf-8"))
        _ = [(one["case"], one["purpose"], one["system"], one["turns"][0]) for one in request["questions"]]
        _ = int(request["max_tokens"]), bool(request["bare"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        refuse(f"not the questions of conch why: {error!r}", str(path), "type the same command again")
    return dict(request)


def arms(settings: Row, adapter: str, export: str, request: Row) -> Iterator[tuple[str, Asker]]:
    """(name, asker) of each arm; only one model is in memory at a time."""
    if settings.get("finetuning_type", "lora") == "lora":
        asker = Asker(settings | {"adapter_name_or_path": adapter}, request)
        yield "adapter", asker
        with asker.model.disable_adapter():
            yield "base", asker
    else:
        asker = Asker(settings | {"model_name_or_path": adapter}, request)
        yield "adapter", asker
        asker.free()
        asker = Asker(settings, request)
        yield "base", asker
    asker.free()
    asker.take(export)
    yield "merged", asker


class Asker:
    """A model and the template that it was trained with."""

    def __init__(self, settings: Row, request: Row) -> None:
        from llamafactory.data import get_template_and_fix_tokenizer
        from llamafactory.hparams import get_train_args
        from llamafactory.model import load_model, load_tokenizer

        self.model_args, data_args, _, finetuning_args, _ = get_train_args(dict(settings))
        self.tokenizer = load_tokenizer(self.model_args)["tokenizer"]
        self.template = get_template_and_fix_tokenizer(self.tokenizer, data_args)
        preserves = getattr(self.template, "preserve_thinking", False)
        self.strips = bool(data_args.mask_history and not preserves)
        self.stops = sorted(self.template.get_stop_token_ids(self.tokenizer))
        self.limit, self.bare = int(request["max_tokens"]), bool(request["bare"])
        # If it is not trainable, LLaMA-Factory merges the adapter at once.
        self.model: PreTrainedModel = load_model(
            self.tokenizer, self.model_args, finetuning_args, is_trainable=True
        )
        self.device = next(self.model.parameters()).device
        self._prepare()

    def free(self) -> None:
        """Release the model."""
        del self.model
        gc.collect()

    def take(self, export: str) -> None:
        """Load another model in its place, with transformers."""
        from transformers import AutoModelForCausalLM

        trust = bool(self.model_args.trust_remote_code)
        loaded = AutoModelForCausalLM.from_pretrained(export, dtype="auto", trust_remote_code=trust)
        self.model = loaded.to(self.device)
        self._prepare()

    def _prepare(self) -> None:
        """Set greedy decoding, and ignore the model's own generation_config."""
        from transformers import GenerationConfig

        self.model.eval()
        self.model.generation_config = GenerationConfig(
            do_sample=False,
            max_new_tokens=self.limit,
            eos_token_id=self.stops,
            pad_token_id=self.stops[0],
            use_cache=True,
        )

    def about(self) -> Row:
        """The facts for the header."""
        found = versions("llamafactory", "transformers", "torch", "peft")
        return {"versions": found, "stop_token_ids": self.stops}

    def converse(self, question: Row) -> Row:
        """Ask the questions of one conversation."""
        messages: list[Row] = []
        turns = []
        for text in question["turns"]:
            messages.append({"role": "user", "content": text})
            prompt = self.prompt(messages, question["system"])
            ids, finish = self.generate(prompt)
            said = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            turns.append({"question": text, "prompt": prompt, "ids": ids, "text": said, "finish": finish})
            messages.append({"role": "assistant", "content": sent_back(said)})
        return {"case": question["case"], "purpose": question["purpose"], "turns": turns}

    def prompt(self, messages: list[Row], system: str) -> list[int]:
        """The context of the next answer, as training would make it."""
        # With mixed thinking, an answer that contains a thought gets no empty one before it.
        thought = getattr(self.template, "thought_words", ("<think>",))[0].strip()
        mixed = getattr(self.template, "enable_thinking", True) is None
        answer = thought if mixed and not self.bare else ""
        whole = [*messages, {"role": "assistant", "content": answer}]
        pairs = self.template.encode_multiturn(
            self.tokenizer, whole, system or None, None, discarding_history_cot=self.strips
        )
        earlier = [token for prompt, answer in pairs[:-1] for token in (*prompt, *answer)]
        return earlier + list(pairs[-1][0])

    def generate(self, prompt: list[int]) -> tuple[list[int], str]:
        """(the ids of the answer without its stop token, how it ended)."""
        import torch

        ids = torch.tensor([prompt], device=self.device)
        with torch.no_grad(), self._precision():
            made = self.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids))
        answer = made[0, len(prompt) :].tolist()
        if answer and answer[-1] in self.stops:
            return answer[:-1], "stop"
        return answer, "length"

    def _precision(self) -> AbstractContextManager[None]:
        """Mixed precision, if training used it."""
        import torch

        dtype = self.model_args.compute_dtype
        if dtype in (torch.float16, torch.bfloat16):
            mixed: AbstractContextManager[None] = torch.autocast(self.device.type, dtype=dtype)
            return mixed
        return nullcontext()


def sent_back(said: str) -> str:
    r"""An answer as history for the next turn, without an empty thought, which the template adds itself.

    >>> sent_back("<think>\n\n</think>\n\n好"), sent_back("<think>\n嗯\n</think>\n\n好")
    ('好', '<think>\n嗯\n</think>\n\n好')
    """
    thought, end, answer = said.partition("</think>")
    empty = end and not thought.replace("<think>", "").strip()
    return answer.lstrip("\n") if empty else said


if __name__ == "__main__":
    main()
