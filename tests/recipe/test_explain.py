"""The words of every mistake, and that they come all at once, each with its place."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import pytest

from orchestrator.errors import UsageError
from orchestrator.recipe import RecipeSource, compose

Refused = Callable[..., list[str]]

ROOT = RecipeSource(
    "recipes/root.yaml",
    "model: {base: org/root}\ndata: {dataset: a}\ntemplate: {name: deepseekr1}\n",
)
MISTAKES = """extends: root
modle: {base: x}
model:
  base: embeded
data: {dataset: [ok, no], cutoff: 3}
train:
  epochs: 0
  method: lroa
  cutoff_len: 12
  lr: 1
serve: {model: 2024}
verify:
  checks:
    - asks: hi
    - ask: ${HOME}
      expect: 3
hardware:
  cuda: {train: {max_grad_norm: -1}, extends: root}
vllm: 3
template: x
"""
SAID = """\
recipes/x.yaml:2:1  modle: no key named "modle"; did you mean "model"?
recipes/x.yaml:4:9  model.base: must be a hub id (org/name), a folder (./folder or /folder), \
recipe:NAME or embedded, got "embeded"; did you mean "embedded"?
recipes/x.yaml:5:22  data.dataset[1]: must be text, but no without quotes is a boolean
    → quote it: "no"
recipes/x.yaml:5:27  data.cutoff: no key named "cutoff"; did you mean "cutoff_len"?
recipes/x.yaml:7:11  train.epochs: must be a number above 0 and at most 10000, got 0
recipes/x.yaml:8:11  train.method: must be lora, full, freeze or oft, got "lroa"; did you mean "lora"?
recipes/x.yaml:9:3  train.cutoff_len: no key named "cutoff_len"; did you mean "data.cutoff_len"?
recipes/x.yaml:10:3  train.lr: no key named "lr"; did you mean "train.learning_rate"?
recipes/x.yaml:11:16  serve.model: must be text, but 2024 without quotes is a number
    → quote it: model: "2024"
recipes/x.yaml:14:7  verify.checks[0].asks: no key named "asks"; did you mean "ask"?
recipes/x.yaml:15:12  recipes do not support ${…} interpolation
    → write the value itself, or pass it with --set
recipes/x.yaml:16:15  verify.checks[1].expect: must be a mapping of check to argument, got 3
recipes/x.yaml:18:33  hardware.cuda.train.max_grad_norm: must be a number from 0 to 1000, got -1
recipes/x.yaml:18:38  hardware.cuda.extends: not allowed under a hardware profile
    → delete it
recipes/x.yaml:19:7  vllm: must be a mapping of vLLM's own settings, got 3
recipes/x.yaml:20:11  template: must be a mapping (key: value lines), got "x"
recipes/y.yaml:1:20  train.lora_rank: must be a whole number from 1 to 1024, got 0
--set a  a setting must be KEY=VALUE
    → --set train.epochs=3
--set checks[0]=3  "checks[0]" is not a dotted key
    → --set train.epochs=3 (a list is set as a whole: --set 'data.dataset=[a, b]')
--set extends=y  extends: can only be set in the file
--set vllm.x=[  not YAML: did not find expected node content, while parsing a flow node
CONCH_SET_TRAIN__SCHEDULER  train.scheduler: must be cosine, linear, constant, constant_with_warmup, \
cosine_with_restarts, polynomial or inverse_sqrt, got "cosin"; did you mean "cosine"?
--set train.seed=x  train.seed: must be a whole number from 0 to 4294967295, got "x"
--set trian.x=3  trian: no key named "trian"; did you mean "train"?"""


def test_every_mistake_at_once() -> None:
    """On a CPU, with the mistakes of the cuda profile; each in the file of the chain that holds it."""
    hidden = "train: {lora_rank: 0}\nhardware: {cpu: {train: {lora_rank: 2}}}"
    chain = [RecipeSource("recipes/x.yaml", MISTAKES), RecipeSource("recipes/y.yaml", hidden), ROOT]
    sets = ["train.seed=x", "a", "trian.x=3", "checks[0]=3", "extends=y", "vllm.x=["]
    with pytest.raises(UsageError) as caught:
        compose(chain, sets=sets, environ={"CONCH_SET_TRAIN__SCHEDULER": "cosin"}, profile="cpu")
    said = str(caught.value).splitlines()
    wanted = SAID.splitlines()
    assert said == wanted, "\n".join(difflib.unified_diff(wanted, said, lineterm=""))


def test_a_terminal_is_not_told_what_to_do(refused: Refused) -> None:
    text = 'model: {base: "\\e[31m\\x9b31m"}\ndata: {dataset: a}\ntemplate: {name: b}\n'
    (problem,) = refused(text, sets=[])
    assert problem.isprintable()
    (problem,) = refused(text.replace("\\e[31m\\x9b31m", "a/b"), sets=["\x1b[31m=3"])
    assert problem.replace("\n", "").isprintable()
    assert len(refused(f'{text}"\\e[31m": 3\n')) == 1
