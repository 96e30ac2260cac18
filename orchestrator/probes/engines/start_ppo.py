"""Train with LLaMA-Factory's PPO. Run by the ppo environment's Python in a run folder.

    python start_ppo.py train.yaml [KEY=VALUE …]

LLaMA-Factory 0.9.5 imports its trainers of every stage; those of dpo and kto take two functions from trl that
trl 0.9.6, which its PPO demands, does not have. They are put in their place, and refuse to be called.
"""

from typing import NoReturn


def absent(*_: object, **__: object) -> NoReturn:
    """What trl 0.9.6 does not have."""
    raise NotImplementedError("this environment trains ppo alone: trl 0.9.6 has no function of this name")


def main() -> None:
    """Train as the arguments say."""
    from trl.models import utils

    utils.prepare_deepspeed = utils.prepare_fsdp = absent
    from llamafactory.train.tuner import run_exp

    run_exp()


if __name__ == "__main__":
    main()
