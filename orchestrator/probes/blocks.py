"""Where the blocks of a base are in a model that was given new ones (LLaMA Pro). Pure.

After each group of blocks comes a copy of its last one, as LLaMA-Factory's `use_llama_pro` expects it
(model/adapter.py: every (layers/blocks)th one is trained).
"""

import re

LAYER = re.compile(r"(.*\blayers\.)(\d+)(\..*)")


def sources(layers: int, blocks: int) -> list[int]:
    """For each block of the expanded model the base's block that it is, or is a copy of.

    >>> sources(4, 2)
    [0, 1, 1, 2, 3, 3]
    """
    group = layers // blocks
    return [layer for layer in range(layers) for _ in range(1 + (layer % group == group - 1))]


def is_new(place: int, layers: int, blocks: int) -> bool:
    """Whether the block at a place of the expanded model is a new one.

    >>> [is_new(place, 4, 2) for place in range(6)]
    [False, False, True, False, False, True]
    """
    return place % (layers // blocks + 1) == layers // blocks


def renamed(name: str, place: int) -> str:
    """A tensor's name with another block.

    >>> renamed("model.layers.3.mlp.up_proj.weight", 4)
    'model.layers.4.mlp.up_proj.weight'
    """
    return LAYER.sub(rf"\g<1>{place}\g<3>", name)
