"""What each stage does, in the words that a person reads while it runs."""

from __future__ import annotations

from orchestrator.results import Sentence

TITLES: dict[str, Sentence] = {
    "fetch": Sentence("Fetching the base model", "获取基座模型"),
    "prepare": Sentence("Preparing the data", "准备数据"),
    "prove_data": Sentence(
        "Comparing training and serving tokens of the data", "比对数据在训练与推理时的 token"
    ),
    "ask_base": Sentence("Asking the base model the recipe's questions", "向基座模型提出配方里的问题"),
    "general_base": Sentence("Asking the base model general questions", "向基座模型提出常识题"),
    "evaluate_base": Sentence("Scoring the base model", "给基座模型打分"),
    "expand": Sentence("Adding new blocks to the base model", "为基座模型添加新的层"),
    "train": Sentence("Training", "训练"),
    "curve": Sentence("Reading the loss curve", "分析损失曲线"),
    "hashes": Sentence("Recording the model hashes", "记录模型哈希"),
    "export": Sentence("Exporting the merged model", "导出合并后的模型"),
    "prove_export": Sentence("Checking the exported model", "检验导出的模型"),
    "score": Sentence("Measuring the loss in the trainer", "在训练器中测量损失"),
    "prove_served": Sentence("Checking the running server", "检验正在运行的服务"),
    "ask": Sentence("Asking the tuned model the recipe's questions", "向微调后的模型提出配方里的问题"),
    "general": Sentence("Asking the tuned model general questions", "向微调后的模型提出常识题"),
    "evaluate": Sentence("Scoring the tuned model", "给微调后的模型打分"),
    "rewards": Sentence(
        "Scoring both models' answers with the reward model", "用奖励模型给两个模型的回答打分"
    ),
    "judge": Sentence("Checking the answers", "判定回答"),
    "target": Sentence("Comparing the results with the target", "对照目标"),
    "certify": Sentence("Writing the certificate", "写出证书"),
    "report": Sentence("Writing the report", "生成报告"),
}


def title_of(stage: str) -> str:
    """The stage's title; the name itself of a stage that has none.

    >>> title_of("export")
    'Exporting the merged model'
    """
    return TITLES.get(stage, stage)
