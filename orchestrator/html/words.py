"""The words of a run's report in English and Chinese. Pure.

Conch's own sentences about a run (reasons, proofs, curve, target) are Sentences of report.json; the words
here are everything around them. Questions, answers, names, code and paths stay as they are.
"""

from __future__ import annotations

from orchestrator.results import EN, ZH

LANGUAGES = (ZH, EN)

WORDS: dict[str, tuple[str, str]] = {
    # The verdict.
    "good": ("All targets reached", "全部达标"),
    "bad": ("Not there yet", "尚未达标"),
    "open": ("Not evaluated yet", "尚未评估"),
    "colon": (": ", "："),
    "and": ("; ", "；"),
    "end": (".", "。"),
    "all_checks": ("all {of} questions were answered correctly", "{of} 个问题全部答对"),
    "some_checks": ("{good} of {of} questions were answered correctly", "{of} 个问题答对 {good} 个"),
    "all_proofs": ("all {of} proofs hold", "{of} 项证明全部成立"),
    "some_proofs": ("{good} of {of} proofs hold", "{of} 项证明中 {good} 项成立"),
    "sampled_said": ("{good} of {of} sampled answers passed", "{of} 个采样回答中 {good} 个通过"),
    "some_not_judged": ("{count} without an expectation were not judged", "另有 {count} 个没有期望，未评判"),
    "nothing_judged": (
        "nothing was judged: none of the {count} questions has an expectation (expect)",
        "没有可评判的问题：{count} 个问题都没有写期望（expect）",
    ),
    "loss_fell": ("the loss went from {first} to {last}", "训练损失从 {first} 到 {last}"),
    "target_met": ("the target was met", "目标已达到"),
    "target_missed": ("the target was not met", "目标未达到"),
    "failed_at": ("stage {stage} failed: {reason}", "阶段 {stage} 失败：{reason}"),
    "nothing_asked": (
        "the model has not been asked anything yet: conch run {recipe}",
        "模型尚未被提问：conch run {recipe}",
    ),
    "stand_in": (
        "Trained on the embedded stand-in base: it shows the workflow, not how a DeepSeek model answers.",
        "训练使用内置替身模型：它只演示流程，不代表 DeepSeek 模型的回答。",
    ),
    # Figures and sections.
    "checks": ("Checks", "检查"),
    "sampled": ("Sampled answers", "采样回答"),
    "base_checks": ("untrained base", "基座模型"),
    "paraphrases": ("Paraphrases", "换问法的题"),
    "paraphrases_said": (
        "Held-out paraphrases, which were not trained, answered correctly: {good} of {of}.",
        "未参与训练的换问法的题，答对 {good} / {of}。",
    ),
    "proofs": ("Proofs", "证明"),
    "loss": ("Training loss", "训练损失"),
    "validation": ("Validation loss", "验证损失"),
    "rate": ("Learning rate", "学习率"),
    "target": ("Target", "目标"),
    "met": ("met", "达到"),
    "missed": ("missed", "未达到"),
    "required": ("required", "要求"),
    "actual": ("actual", "实际"),
    "time": ("Time", "用时"),
    "training": ("Training", "训练过程"),
    "step": ("step", "步"),
    "raw": ("each step", "每步"),
    "smoothed": ("smoothed", "平滑后"),
    "ended_early": ("Training ended early: ", "训练提前结束："),
    "advice": ("Try: ", "建议："),
    "no_training": ("This run has no training log.", "此运行没有训练日志。"),
    "no_validation": (
        "No validation loss: the recipe holds out no rows (data.split or data.validation).",
        "没有验证损失：配方没有留出数据（data.split 或 data.validation）。",
    ),
    "not_finite": ("{count} steps had no finite loss.", "{count} 步的损失不是有限数。"),
    "hardware": ("Hardware and time", "硬件与用时"),
    "machine": ("machine", "机器"),
    "cores": ("CPU cores", "CPU 核数"),
    "memory": ("memory", "内存"),
    "gpu": ("GPU", "GPU"),
    "network": ("network", "网络"),
    "no_gpu": ("none was used", "未使用"),
    "vram": ("GPU memory during training, GB", "训练显存（GB）"),
    "allocated": ("allocated", "已分配"),
    "reserved": ("reserved", "已保留"),
    "throughput": ("Tokens per second", "每秒 token 数"),
    "no_vram": ("GPU memory was not recorded: training ran on the CPU.", "没有显存记录：训练在 CPU 上进行。"),
    "no_vram_gpu": ("The training log has no GPU memory.", "训练日志中没有显存记录。"),
    "no_throughput": ("Tokens per second were not recorded.", "没有每秒 token 数的记录。"),
    "samples_second": ("samples per second", "每秒样本数"),
    "steps_second": ("steps per second", "每秒步数"),
    "stages": ("Seconds per stage", "各阶段用时（秒）"),
    "data": ("Data", "数据"),
    "data_set": ("dataset", "数据集"),
    "part": ("part", "划分"),
    "rows": ("rows", "行数"),
    "answers": ("answers", "回答数"),
    "tokens": ("tokens per row (median · longest)", "每行 token（中位 · 最长）"),
    "characters": ("characters per answer (median · longest)", "每个回答字符（中位 · 最长）"),
    "languages": ("languages", "语言"),
    "of_rows_tokens": ("Tokens per row", "每行 token 数"),
    "of_rows_characters": ("Characters per row", "每行字符数"),
    "left_out": ("dropped", "剔除"),
    "repaired": ("repaired", "修复"),
    "counted_of": (
        "Lengths and languages are of the first {counted} of {rows} rows.",
        "长度与语言按前 {counted} 行（共 {rows} 行）统计。",
    ),
    "train_part": ("train", "训练"),
    "validation_part": ("validation", "验证"),
    "test_part": ("test", "测试"),
    "dashed_cutoff": ("dashed: the cutoff of {count}", "虚线：截断长度 {count}"),
    "before_after": ("Before and after", "训练前后"),
    "question": ("question", "问题"),
    "answer": ("answer", "回答"),
    "base": ("base", "基座"),
    "tuned": ("tuned", "微调后"),
    "check": ("check", "检查"),
    "verdict": ("verdict", "判定"),
    "reason": ("reason", "理由"),
    "expected": ("expected", "要求"),
    "passed": ("passed", "通过"),
    "not_passed": ("FAILED", "未通过"),
    "not_judged": ("not judged", "未评判"),
    "nothing": ("(nothing)", "（空）"),
    "more_cases": ("{count} more in report.json.", "另有 {count} 个见 report.json。"),
    "every_check": ("Every check of every question", "每个问题的每项检查"),
    "all_of_them": ("All of them", "全部列出"),
    "all_passed": ("Every check passed.", "所有检查均通过。"),
    "no_checks": (
        "No checks yet: the model has not been asked (conch run {recipe}).",
        "还没有检查：模型未被提问（conch run {recipe}）。",
    ),
    "metrics": ("Metrics", "指标"),
    "metric": ("metric", "指标"),
    "split_rows": ("{split} rows", "{split}数据"),
    "answered": ("rows answered", "已回答的行"),
    "with_thinking": ("{name}, thinking included", "{name}（含思考）"),
    "perplexity": ("perplexity of the references", "参考答案困惑度"),
    "not_measured": ("not measured", "未测量"),
    "length": ("tokens per answer", "每个回答 token"),
    "longest": ("longest {count}", "最长 {count}"),
    "ended_by": ("ended by", "结束方式"),
    "intervals": (
        "0 to 100 each, higher is better; perplexity: lower is better. In brackets: the 95 % interval.",
        "各为 0 到 100，越高越好；困惑度越低越好。方括号内为 95% 置信区间。",
    ),
    "no_metrics": (
        "No metrics yet: conch eval {recipe} --systems base,tuned",
        "还没有指标：conch eval {recipe} --systems base,tuned",
    ),
    "comparison": ("{a} against {b}", "{a} 与 {b} 对比"),
    "no_comparison": ("No comparison yet: conch compare {recipe}", "还没有对比：conch compare {recipe}"),
    "difference": ("difference", "差值"),
    "general": ("General knowledge", "常识题"),
    "got_worse": ("Got worse", "变差的"),
    "none_worse": ("Nothing that was judged got worse.", "评判过的项目没有变差。"),
    "judge": (
        "The judge: {b} better {wins_b}, {a} better {wins_a}, ties {ties}, failed {failed}",
        "评审模型：{b} 更好 {wins_b}，{a} 更好 {wins_a}，平局 {ties}，失败 {failed}",
    ),
    "judge_rate": ("{b} is better in {rate} [{low}, {high}]", "{b} 胜率 {rate} [{low}, {high}]"),
    "judge_error": ("The judge was not asked about all pairs: {error}", "评审模型没有评完所有回答：{error}"),
    "no_answer": ("{system}, {count} × no answer: {error}", "{system}，{count} 次没有回答：{error}"),
    "trials": ("Trials", "参数搜索"),
    "trial": ("trial", "尝试"),
    "score": ("score", "得分"),
    "minutes": ("minutes", "分钟"),
    "status": ("status", "状态"),
    "failed": ("failed", "失败"),
    "pruned": ("pruned", "提前停止"),
    "running": ("running", "运行中"),
    "interrupted": ("interrupted", "已中断"),
    "not run": ("not run", "未运行"),
    "holds": ("holds", "成立"),
    "refuted": ("DOES NOT HOLD", "不成立"),
    "accepted": ("does not hold, accepted by name", "不成立，已点名接受"),
    "covered": ("covered", "覆盖"),
    "not_covered": ("not covered", "未覆盖"),
    "numbers": ("numbers", "数字"),
    "detail": ("result", "结果"),
    "hint": ("to fix it", "修复建议"),
    "not_proven": ("not proven", "未证明"),
    "made": ("Commands and versions", "命令与版本"),
    "commands": ("Commands", "命令"),
    "server": ("server", "服务"),
    "versions": ("Versions", "版本"),
    "recipe_values": ("Recipe", "配方"),
    "key": ("key", "键"),
    "value": ("value", "值"),
    "from": ("set in", "出处"),
    "defaults": (
        "{count} more values are defaults (report.json).",
        "另有 {count} 个值为默认值（report.json）。",
    ),
    "base_model": ("base model", "基座模型"),
    "again": ("Reproduce it", "重新生成"),
    "serve": ("Serve it and call it", "部署与调用"),
    "serve_said": ("Serve it, then call it from another terminal:", "先启动服务，再从另一个终端调用："),
    "run": ("run", "运行"),
}

# Words of WORDS that values of report.json name: systems, kinds of questions, statuses.
NAMES = frozenset(
    {"base", "tuned", "checks", "sampled", "paraphrases", "general", "met", "missed"}
    | {"failed", "refuted", "pruned", "running", "interrupted", "not run"}
)

# Languages as orchestrator/datasets/language_id.py names them.
TONGUES = {
    "Chinese, simplified": "简体中文",
    "Chinese, traditional": "繁体中文",
    "Chinese, both scripts": "中文（简繁混用）",
    "Chinese, either script": "中文（简繁同形）",
    "English": "英文",
    "Latin letters, no English words": "拉丁字母（非英文）",
    "Japanese": "日文",
    "Korean": "韩文",
    "other": "其他",
    "none": "无文字",
}

# The claim of each proof.
PROOF_WORDS: dict[str, tuple[str, str]] = {
    "rows": ("no row was lost on the way into the trainer", "没有数据行在进入训练器的途中丢失"),
    "tokenizer": ("training and serving tokenize text in the same way", "训练与推理对文本的分词一致"),
    "parity:data": (
        "the model is prompted in the format that it is trained on",
        "提问格式与训练格式一致",
    ),
    "truncation": ("the effect of the cutoff is known", "截断的影响已查明"),
    "hashes": ("the export comes from the files of the training", "导出的模型来自训练所用的文件"),
    "merge": ("the adapter was merged correctly", "LoRA 适配器合并正确"),
    "parity:export": ("the export is prompted in the trained format", "导出模型的提问格式与训练格式一致"),
    "stop": ("the server stops where training taught the model to stop", "服务在训练所教的位置停止"),
    "parity:served": ("the running server makes the same tokens", "运行中的服务产生相同的 token"),
    "sampling": (
        "a client that names no sampling value gets the export's",
        "未指定采样参数的客户端得到导出模型的采样设置",
    ),
    "loss": ("the served weights have the loss of the training", "所服务的权重与训练时的损失一致"),
}


class Words:
    """WORDS in one language.

    >>> Words("zh").say("some_proofs", good=9, of=10)
    '10 项证明中 9 项成立'
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._column = 1 if language == ZH else 0

    def say(self, name: str, /, **values: object) -> str:
        """A word of WORDS, its places filled."""
        return WORDS[name][self._column].format(**values)

    def named(self, name: str) -> str:
        """The word for a system, a kind of questions or a status; any other name as it is."""
        return self.say(name) if name in NAMES else name

    def part(self, name: str) -> str:
        """The word for a part of a dataset."""
        return self.say(f"{name}_part") if f"{name}_part" in WORDS else name

    def claim(self, proof: str) -> str:
        """The claim of a proof; "" if there are no words for it."""
        return PROOF_WORDS.get(proof, ("", ""))[self._column]

    def tongue(self, name: str) -> str:
        """The name of a language."""
        return TONGUES.get(name, name) if self.language == ZH else name

    def quote(self, message: str) -> str:
        """An English message of a tool; as code among Chinese words."""
        return f"`{message}`" if message and self.language == ZH else message

    def duration(self, seconds: float) -> str:
        """A time for display.

        >>> Words("en").duration(3725), Words("zh").duration(230.4), Words("en").duration(0.24)
        ('1 h 2 min', '3 分 50 秒', '0.2 s')
        """
        hour, minute, second = (" 小时", " 分", " 秒") if self.language == ZH else (" h", " min", " s")
        if seconds < 60:  # noqa: PLR2004
            return f"{seconds:.1f}{second}" if seconds < 10 else f"{seconds:.0f}{second}"  # noqa: PLR2004
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}{hour} {minutes}{minute}" if hours else f"{minutes}{minute} {rest}{second}"
