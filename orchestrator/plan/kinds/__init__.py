"""Training kinds (`train.kind` in a recipe): one file per kind, in the shape of base.py, and their table.

Pure. Not here: the training method (LoRA, freeze, full), which every kind can use. The plan, its stages and
backends/ import it. To add a kind: a file and its line below.
"""

from orchestrator.plan.kinds import dpo, kto, ppo, pretrain, reward, sft
from orchestrator.plan.kinds.base import TrainingKind
from orchestrator.plan.stage import Runtime

# A kind that is not trained in the environment `train` → the one that it is trained in.
TRAINED_IN: dict[str, Runtime] = {"ppo": Runtime.PPO}

KINDS: dict[str, TrainingKind] = {
    "sft": sft,
    "pretrain": pretrain,
    "reward": reward,
    "dpo": dpo,
    "kto": kto,
    "ppo": ppo,
}
