"""The words of the proof merge: what a tensor or a head looks like, and what the probe says."""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.results import Sentence

HEADS: Mapping[str, Sentence] = {
    "lost": Sentence(
        "the export lacks the head of the reward model, so it scores at random",
        "导出模型缺少奖励模型的打分头，分数是随机的",
    ),
    "other": Sentence(
        "the head of the export is not the one that was trained with this adapter",
        "导出模型的打分头不是与此适配器一起训练的那一个",
    ),
    "unknown": Sentence(
        "the export has a head that scores, and the adapter was trained without one",
        "导出模型带有打分头，而适配器训练时没有打分头",
    ),
}

# What a method does beside LoRA, and an export left out.
LEFT_OUT = {
    "no magnitude": Sentence(
        "are merged without DoRA's magnitude, as plain LoRA", "按普通 LoRA 合并，没有使用 DoRA 的幅度"
    ),
    "half": Sentence(
        "carry only the first half of the adapter's ranks: PiSSA's own adapter was merged into the base"
        " without the part that its training had taken out of it",
        "只包含适配器前一半的秩：合并的是 PiSSA 自己的适配器，而基座没有减去训练开始时取出的部分",
    ),
    "quantized": Sentence(
        "hold a base of 4 or 8 bits: the adapter was merged into the quantized weights",
        "是 4 位或 8 位的基座权重：适配器合并到了量化后的权重上",
    ),
}

KINDS = {
    "frozen": "已冻结",
    "merged": "已合并",
    "replaced": "整体替换",
    "trained": "已训练",
    "untouched": "未涉及",
}

LOOKS = {
    "base": Sentence("equals the base's: nothing is merged into it", "与基座模型相同：没有合并任何更新"),
    "scaled": Sentence("carries {times:.4g} times the update", "的更新是应有的 {times:.4g} 倍"),
    "part": Sentence(
        "is merged in part: {share:.0%} of the checked rows are the base's",
        "只合并了一部分：检查的行中有 {share:.0%} 仍是基座模型的",
    ),
    "other adapter": Sentence(
        "carries another update, of rank {rank_found}", "合并的是另一个更新（秩 {rank_found}）"
    ),
    "no magnitude": Sentence("is merged without DoRA's magnitude", "没有使用 DoRA 的幅度"),
    "half": Sentence("carries half of the adapter's ranks", "只包含适配器一半的秩"),
    "quantized": Sentence("holds a quantized base", "是量化后的基座权重"),
    "other": Sentence(
        "holds other weights: {share:.0%} of the checked values differ",
        "是其他权重：检查的数值中有 {share:.0%} 不同",
    ),
    "not finite": Sentence("holds infinite or undefined numbers", "含有无穷大或 NaN"),
}

# The probe's own sentences; those of the operating system stay as they are.
_SENTENCES = (
    ("holds no safetensors weights", "没有 safetensors 权重"),
    ("cannot be read", "无法读取"),
    ("has a header that cannot be read", "文件头无法读取"),
    (r"is cut short or no safetensors file \((\d+) bytes\)", r"被截断，或不是 safetensors 文件（\1 字节）"),
    (r"is cut short: (\d+) bytes, its header promises (\d+)", r"被截断：只有 \1 字节，文件头声明 \2 字节"),
    (
        r"lacks (\d+) tensors that the index promises, (.+) first",
        r"缺少索引中列出的 \1 个张量，首先是 \2",
    ),
    ("half of its update is missing", "更新缺少一半"),
    ("the magnitude of its update is missing", "缺少更新的幅度"),
    ("DoRA of an embedding", "词嵌入上的 DoRA"),
    (r"a magnitude of (\d+) rows on a weight of shape (.+)", r"幅度有 \1 行，而权重的形状为 \2"),
    (
        r"has (\d+) blocks, not the base's (\d+) and (\d+) new ones",
        r"有 \1 层，而不是基座的 \2 层加 \3 个新层",
    ),
    (r"an update of shape (.+) on a weight of shape (.+)", r"更新的形状 \1 与权重的形状 \2 不符"),
)


def translated(text: str) -> Sentence:
    """A sentence of the probe in both languages; any other text as it is."""
    for pattern, chinese in _SENTENCES:
        if found := re.fullmatch(pattern, text):
            return Sentence(text, found.expand(chinese))
    return Sentence(text)
