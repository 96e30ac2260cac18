"""What a base and a reward model compute on some texts. Run in a run folder, by the Python that is examined.

    python model_values.py train.yaml --ids proofs/data/training_ids.jsonl --out proofs/data/values_ppo.jsonl
    python model_values.py --base inputs/base --reward inputs/reward --ids … --out …

With a train.yaml of stage ppo the models are those of the training: LLaMA-Factory's own load_model and
create_reward_model, in float32, the new adapter and all. Without, they are plain transformers on the models
as they were exported; the head is then that of the served reward model (score.*), and only where there is
none the value head.

JSON lines: a header, and one line a row; the log probability of each token after the first, and the score at
the last token:

    {"versions", "texts": {"base": ids of the fixed texts, "reward": ids of the fixed texts}}
    {"dataset", "row", "logprobs", "score"}
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tokens import Row, fixed_texts, offline, output, put, versions

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

ROWS, LONGEST, DIGITS = 8, 1024, 5
HEADS = (("score.weight", "score.bias"), ("v_head.summary.weight", "v_head.summary.bias"))

LogProbs = Callable[["Tensor"], "Tensor"]
Score = Callable[["Tensor"], float]


def main() -> None:
    """Write the file under a temporary name, and rename it."""
    import torch

    arguments = parse_arguments()
    offline()
    rows = chosen(Path(arguments.ids))
    with torch.no_grad(), output(arguments.out) as stream:
        if arguments.train_yaml:
            logits, score, texts = trained(arguments.train_yaml)
        else:
            logits, score = base_of(arguments.base), scorer(Path(arguments.reward))
            texts = {"base": texts_of(arguments.base), "reward": texts_of(arguments.reward)}
        put(stream, {"versions": versions("transformers", "torch", "trl", "llamafactory"), "texts": texts})
        for row in rows:
            ids = torch.tensor([row["ids"]])
            told = torch.log_softmax(logits(ids)[0, :-1].float(), dim=-1).gather(1, ids[0, 1:, None])
            values = [round(value, DIGITS) for value in told[:, 0].tolist()]
            place = {"dataset": row["dataset"], "row": row["row"]}
            put(stream, place | {"logprobs": values, "score": round(score(ids), DIGITS)})


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="What a base and a reward model compute on some texts.")
    add = parser.add_argument
    add("train_yaml", nargs="?", default="", help="of stage ppo: the models as its training loads them")
    add("--base", default="", help="without train.yaml: the folder of the base")
    add("--reward", default="", help="without train.yaml: the folder of the exported reward model")
    add("--ids", required=True, help="training_ids.jsonl, whose rows are the texts")
    add("--out", required=True, help="the JSON lines to write")
    return parser.parse_args()


def chosen(path: Path) -> list[Row]:
    """Some whole rows, evenly spread; long ones show an error in the positions that short ones hide."""
    with path.open(encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream if line.startswith('{"dataset"')]
    fitting = [row for row in rows if 1 < len(row["ids"]) <= LONGEST]
    longest = sorted(fitting, key=lambda row: -len(row["ids"]))[: ROWS // 2]
    step = max(1, len(fitting) // (ROWS // 2))
    return [*longest, *fitting[::step][: ROWS // 2]]


def trained(path: str) -> tuple[LogProbs, Score, Row]:
    """The models that run_ppo makes (train/ppo/workflow.py), and the tokens that they read."""
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_model, load_tokenizer
    from llamafactory.train.trainer_utils import create_reward_model
    from train_settings import read_settings

    settings = read_settings(path) | {"bf16": False, "fp16": False, "output_dir": "adapter.values"}
    model_args, _, _, finetuning_args, _ = get_train_args(settings)
    tokenizer = load_tokenizer(model_args)["tokenizer"]
    model = load_model(tokenizer, model_args, finetuning_args, True, add_valuehead=True).eval()
    reward = create_reward_model(model, model_args, finetuning_args).eval()
    texts = {"base": ids_of(tokenizer), "reward": texts_of(finetuning_args.reward_model)}

    def score(ids: Tensor) -> float:
        return float(reward(input_ids=ids, return_dict=True, use_cache=False)[-1][0, -1])

    return lambda ids: model(input_ids=ids, return_dict=True, use_cache=False)[0], score, texts


def base_of(folder: str) -> LogProbs:
    """A causal language model by plain transformers."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False).eval()
    return lambda ids: model(input_ids=ids, use_cache=False).logits


def scorer(folder: Path) -> Score:
    """A reward model by plain transformers: the last token's state, and the exported head."""
    import torch
    from transformers import AutoModel

    body = AutoModel.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False).eval()
    weight, bias = head_of(folder)

    def score(ids: Tensor) -> float:
        state = body(input_ids=ids, use_cache=False).last_hidden_state[0, -1]
        return float(state.float() @ weight.float()[0] + bias.float()[0])

    return score


def head_of(folder: Path) -> tuple[Tensor, Tensor]:
    """The weight and the bias of an exported reward model's head."""
    tensors = dict(tensors_of(folder, [name for pair in HEADS for name in pair]))
    for weight, bias in HEADS:
        if weight in tensors:
            return tensors[weight], tensors[bias]
    raise SystemExit(f"{folder} has no head: it scores nothing")


def tensors_of(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    """The named tensors of a folder's safetensors files."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            yield from ((name, file.get_tensor(name)) for name in file.keys() if name in names)  # noqa: SIM118


def texts_of(folder: str) -> list[list[int]]:
    """The ids of the fixed texts, by the tokenizer of a folder."""
    from transformers import AutoTokenizer

    return ids_of(AutoTokenizer.from_pretrained(folder, trust_remote_code=False))


def ids_of(tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """The ids of the fixed texts."""
    return [one["ids"] for one in fixed_texts(tokenizer)]


if __name__ == "__main__":
    main()
