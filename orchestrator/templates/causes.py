"""Explains why a served prompt differs from the trained one: (explanation, hint), one rule per cause."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from orchestrator.results import Sentence, joined
from orchestrator.templates.pieces import Pieces
from orchestrator.templates.prompt_diff import Difference, PromptDiff, Training, is_unreachable
from orchestrator.templates.writer import EMPTY_THOUGHT, THOUGHT_OPENS

PAIRED = Sentence(
    "serve with the chat template that is paired with this training (`conch ls templates`)",
    "部署时改用与本次训练配对的对话模板（见 `conch ls templates`）",
)
RESPELL = Sentence(
    r"write thoughts in the data as <think>\n…\n</think>\n\n before the answer",
    r"数据中的思考请写成 <think>\n…\n</think>\n\n，放在回答之前",
)
NO_NEWLINE = Sentence("do not start any answer in the data with a newline", "数据中的回答不要以换行开头")
SHOWN = 60


class Cause(NamedTuple):
    """Why two prompts differ, and what to set."""

    explanation: Sentence
    hint: Sentence


def _cause(en: str, zh: str, hint: Sentence = PAIRED) -> Cause:
    return Cause(Sentence(en, zh), hint)


def explain(difference: Difference, training: Training, pieces: tuple[Pieces, Pieces]) -> Cause:
    """The first cause that applies to a difference."""
    diff = PromptDiff(difference, training, *pieces)
    return next(cause for rule in RULES if (cause := rule(diff)))


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def _refused(diff: PromptDiff) -> Cause | None:
    if not (error := diff.difference.error):
        return None
    return _cause(f"the server rejects this request: {error}", f"服务端拒绝了该请求：{error}")


def _prefill(diff: PromptDiff) -> Cause | None:
    if diff.difference.kind != "prefill":
        return None
    return _cause(
        "the served prompt ends with the first tokens that the model was trained to write: harmless",
        "服务端的提示词末尾是模型本来就要生成的前几个 token，没有影响",
        Sentence(),
    )


def _begin_of_sentence(diff: PromptDiff) -> Cause | None:
    bos = diff.training.bos
    if bos is None or diff.position > 1:
        return None
    trained, served = list(diff.difference.context[:2]), list(diff.difference.served[:2])
    if served == [bos, bos] and trained != served:
        once = Sentence(
            "it prints the token once; if the tokenizer adds another, send add_special_tokens: false",
            "它只输出一个句首 token；如果分词器还会再加，请在请求中设置 add_special_tokens: false",
        )
        return _cause(
            "the served prompt begins with the begin-of-sentence token twice: the chat template prints it and"
            " prints it again or lets the tokenizer add it",
            "服务端的提示词开头有两个句首 token：对话模板已输出一个，又由模板或分词器再加了一个",
            joined([PAIRED, once]),
        )
    if (trained[:1] == [bos]) == (served[:1] == [bos]):
        return None
    first = trained[:1] == [bos]
    has, lacks = ("trained", "served") if first else ("served", "trained")
    has_zh, lacks_zh = ("训练", "服务端") if first else ("服务端", "训练")
    return _cause(
        f"the {has} prompt begins with the begin-of-sentence token, the {lacks} one does not",
        f"{has_zh}的提示词以句首 token 开头，{lacks_zh}的没有",
    )


def _missing(diff: PromptDiff) -> Cause | None:
    if diff.difference.kind != "missing":
        return None
    rest = _short(diff.trained)
    en = (
        f"the trained prompt continues with {rest}, without loss, so the model never learned to write it,"
        " and the server does not send it"
    )
    zh = f"训练的提示词后面还有 {rest}，这部分不计损失，模型没有学过生成它，而服务端也没有发送"
    if diff.trained != EMPTY_THOUGHT:
        return _cause(en, zh)
    switch = Sentence(
        "if the template supports it, send enable_thinking: false; or train with template.thinking: on, so"
        " that the model writes it",
        "如果模板支持，请在请求中设置 enable_thinking: false；或用 template.thinking: on 训练，"
        "让模型自己生成",
    )
    return _cause(
        f"{en}: it is the empty thought of training without thinking",
        f"{zh}：它是关闭思考训练时的空思考块",
        joined([PAIRED, switch]),
    )


def _forced(diff: PromptDiff) -> Cause | None:
    if diff.difference.kind != "forced":
        return None
    answer, empty = _short(diff.answer), diff.forced == EMPTY_THOUGHT
    marked = "<think>" in diff.answer or "</think>" in diff.answer
    if empty and diff.training.thinking is not True and marked:
        take_out = Sentence("remove the mark from the answer", "从回答中去掉该标记")
        return _cause(
            f"the trained answer {answer} contains a thought mark, so training put no empty thought before"
            " it; the server cannot know which answer will follow",
            f"训练的回答 {answer} 含有思考标记，训练时没有在它前面加空思考块；服务端无法预知将生成哪个回答",
            joined([take_out, RESPELL], ", or ", "，或者"),
        )
    forced = _short(diff.forced)
    en = (
        f"the server writes the beginning of the answer itself, {forced}, and the trained answer begins with"
        f" {answer}: the model was never trained in this state"
    )
    zh = f"服务端自行写出了回答的开头 {forced}，而训练的回答以 {answer} 开头：模型没有在这种状态下训练过"
    if empty:
        switch = Sentence(
            "if the template supports it, send enable_thinking: true",
            "如果模板支持，请在请求中设置 enable_thinking: true",
        )
        return _cause(
            f"{en}; the empty thought is for a model trained without thinking",
            f"{zh}；空思考块只适用于关闭思考训练的模型",
            joined([PAIRED, switch]),
        )
    if diff.forced == THOUGHT_OPENS:
        en += "; the newer official DeepSeek-R1 template does this"
        zh += "；新版 DeepSeek-R1 官方模板就会这样"
    return _cause(en, zh)


def _one_token_here_only(diff: PromptDiff) -> Cause | None:
    if diff.one_token is None:
        return None
    token, trained = diff.one_token
    here, there = ("training", "serving") if trained else ("serving", "training")
    here_zh, there_zh = ("训练", "服务") if trained else ("服务", "训练")
    hint = Sentence(
        "set template.name to a template of the base model's own family, because another one makes the"
        " trainer add tokens that the base does not have; and serve the exported tokenizer",
        "把 template.name 设为基座模型所属系列的模板，否则训练器会添加基座没有的 token；"
        "并在部署时使用导出的分词器",
    )
    return _cause(
        f"{token!r} is one token in {here} and plain text in {there}: the tokenizers differ",
        f"{token!r} 在{here_zh}侧是一个 token，在{there_zh}侧是普通文本：两侧的分词器不同",
        hint,
    )


def _unreachable(diff: PromptDiff) -> Cause | None:
    if diff.difference.kind != "differs" or not is_unreachable(diff.difference, (diff.ours, diff.theirs)):
        return None
    otherwise = Sentence(
        "if none does, this tokenizer and this training template are incompatible",
        "如果没有这样的回答，则此分词器与此训练模板不兼容",
    )
    return _cause(
        "unreachable: the trainer joined pieces that the tokenizer encodes differently as one text (same"
        " text, other ids); no chat template can produce these ids",
        "不可达：训练器拼接了分段编码的结果，而分词器对整段文本的编码不同（文本相同，id 不同）；"
        "任何对话模板都无法得到这些 id",
        joined([NO_NEWLINE, otherwise]),
    )


def _another_family(diff: PromptDiff) -> Cause | None:
    ours, theirs = diff.families
    if ours == theirs or not ours or not theirs:
        return None
    name = Sentence(
        "set template.name to the template of the base model's family",
        "把 template.name 设为基座模型所属系列的模板",
    )
    return _cause(
        f"wrong template family: training wrote marks of {ours}, the server writes marks of {theirs}",
        f"模板系列不对：训练使用 {ours} 的标记，服务端使用 {theirs} 的标记",
        joined([name, PAIRED], "; or ", "；或者"),
    )


def _thoughts_in_history(diff: PromptDiff) -> Cause | None:
    trained, served = diff.trained.startswith("<think>"), diff.served.startswith("<think>")
    if trained == served or diff.trained == EMPTY_THOUGHT:
        return None
    strip = Sentence("or train with template.history: strip", "或者用 template.history: strip 训练")
    if trained and diff.trained.startswith(EMPTY_THOUGHT):
        return _cause(
            "training put an empty thought before each earlier answer without one (mask_history: false), and"
            " the server does not",
            "训练时在没有思考的历史回答前都加了空思考块（mask_history: false），服务端没有加",
            joined([PAIRED, strip]),
        )
    if trained and not _REGULAR.match(diff.trained):
        return _SPELLED
    if trained:
        return _cause(
            "the server removes an earlier answer's thought, which training kept (mask_history: false)",
            "服务端删除了历史回答中的思考，而训练时保留了它（mask_history: false）",
            joined([PAIRED, strip]),
        )
    masked = diff.training.mask_history
    keep = Sentence("or train with template.history: keep", "或者用 template.history: keep 训练")
    return _cause(
        "the server keeps a thought that "
        + ("training removed (mask_history: true)" if masked else "was not trained"),
        "服务端保留了" + ("训练时已删除的思考（mask_history: true）" if masked else "训练时没有出现过的思考"),
        joined([PAIRED, keep]),
    )


def _thought_lost(diff: PromptDiff) -> Cause | None:
    _, mark, opened = diff.before.rpartition("<think>")
    trained, served = ((opened + side).startswith("\n\n</think>") for side in (diff.trained, diff.served))
    if not mark or trained or not served:
        return None
    return _cause(
        "the server writes an empty thought where an earlier answer was trained with its own: the chat"
        " template does not read the thought that the client sent (a reasoning field)",
        "历史回答训练时带有自己的思考，服务端却写成了空思考块："
        "对话模板没有读取客户端发送的思考（reasoning 字段）",
    )


def _thought_spelled(diff: PromptDiff) -> Cause | None:
    if diff.before.endswith("<think>") and not diff.trained.startswith("\n"):
        return _SPELLED
    if not diff.trained.lstrip("\n").startswith("</think>") or not diff.served.startswith("\n"):
        return None
    trained, served = _short(diff.trained), _short(diff.served)
    return _cause(
        f"the trained prompt has an empty thought here, and the server opens another one: trained {trained},"
        f" served {served}",
        f"训练的提示词在这里是空思考块，服务端却另开了一个思考：训练 {trained}，服务 {served}",
    )


def _newlines_of_an_answer(diff: PromptDiff) -> Cause | None:
    white = diff.white
    if not white or not diff.training.reasons or not white.opens_answer:
        return None
    if white.added and white.extra == "\n\n":
        return _cause(
            "the server leaves the newlines that follow </think> before an earlier answer; training removed"
            " them with the thought",
            "服务端在历史回答前保留了 </think> 之后的换行，而训练时它们随思考一起被删除",
        )
    if not white.added and "\n" in white.extra:
        return _cause(
            "an earlier answer was trained with leading newlines, which the server cannot distinguish from"
            " those that a reasoning parser leaves",
            "某个历史回答训练时以换行开头，服务端无法把它与思考解析器留下的换行区分开",
            NO_NEWLINE,
        )
    return None


def _white_space(diff: PromptDiff) -> Cause | None:
    white = diff.white
    if not white:
        return None
    cause = Sentence("the chat template was edited", "对话模板被修改过")
    if not white.added and white.edges_content:
        cause = Sentence(
            "the chat template trims the messages (`| trim`), or was edited",
            "对话模板裁掉了消息首尾的空白（`| trim`），或被修改过",
        )
    word, amount = repr(white.word[-SHOWN // 3 :]), white.amount
    return _cause(
        f"the served prompt has {amount} after {word}: trained {white.trained!r}, served {white.served!r};"
        f" {cause}",
        f"服务端的提示词在 {word} 之后{amount.zh}：训练 {white.trained!r}，服务 {white.served!r}；{cause.zh}",
    )


def _tools(diff: PromptDiff) -> Cause | None:
    """A declaration, a call or a result that the two sides write differently."""
    mark = diff.tools_mark
    if not mark or mark not in diff.before + diff.trained:
        return None
    trained, served = _short(diff.trained), _short(diff.served)
    sides, sides_zh = f"trained {trained}, served {served}", f"训练 {trained}，服务 {served}"
    if mark not in diff.before + diff.served:
        return _cause(
            "the trained prompt declares tools, and the served one does not: the client sends none, or the"
            f" chat template does not write them; {sides}",
            f"训练的提示词声明了工具，服务端的没有：客户端没有发送，或对话模板没有写出；{sides_zh}",
        )
    if not diff.asked:
        return _cause(
            f"the declared tools are written otherwise (their order, their keys, or their format): {sides}",
            f"工具声明的写法不同（顺序、键或格式）：{sides_zh}",
        )
    if diff.answering:
        return _cause(
            "an earlier answer or its tool call is written otherwise (arguments, or the format of calls):"
            f" {sides}",
            f"之前的回答或其工具调用的写法不同（参数，或调用的格式）：{sides_zh}",
        )
    return _cause(
        f"a question or the result of a tool is written otherwise, or is missing: {sides}",
        f"问题或工具返回结果的写法不同，或缺失：{sides_zh}",
    )


def _system_prompt(diff: PromptDiff) -> Cause | None:
    trained, served = diff.systems
    if trained == served:
        return None
    if "Today Date:" in (served or "") and "Today Date:" not in (trained or ""):
        text = _short(served or "")
        return _cause(
            f"the server's chat template writes a date into the system prompt, {text}, which was not trained"
            " and may change every day",
            f"服务端的对话模板在系统提示词中写入了日期 {text}，训练时没有，而且可能每天都在变",
        )
    if trained is None or served is None:
        side, side_zh = ("served", "服务端") if trained is None else ("trained", "训练")
        text = _short(trained or served or "")
        always = Sentence(
            "include a system prompt in every conversation, in the data and from clients",
            "在数据和客户端请求的每个对话中都带上系统提示词",
        )
        return _cause(
            f"only the {side} prompt begins with a system prompt, {text}: a default system prompt",
            f"只有{side_zh}的提示词以系统提示词 {text} 开头：这是默认系统提示词",
            joined([PAIRED, always], "; or ", "；或者"),
        )
    if trained.rstrip(".") == served.rstrip("."):
        which, which_zh = ("trained", "训练") if trained.endswith(".") else ("served", "服务端")
        ends = _short(trained[-SHOWN:]), _short(served[-SHOWN:])
        return _cause(
            f"the default system prompts differ in a full stop: only the {which} one has it,"
            f" {ends[0]} against {ends[1]}",
            f"默认系统提示词只差一个句点：只有{which_zh}的有，{ends[0]} 与 {ends[1]}",
        )
    default = Sentence(
        "it uses the trainer's default system prompt for conversations without one",
        "对话没有系统提示词时，它会使用训练器的默认系统提示词",
    )
    return _cause(
        f"the system prompts differ: trained {_short(trained)}, served {_short(served)}",
        f"系统提示词不同：训练 {_short(trained)}，服务 {_short(served)}",
        joined([PAIRED, default]),
    )


def _anything(diff: PromptDiff) -> Cause | None:
    trained, served = _short(diff.trained), _short(diff.served)
    return _cause(
        f"trained on {trained} where the server sends {served}",
        f"训练时此处是 {trained}，服务端发送的是 {served}",
    )


_REGULAR = re.compile(r"<think>\n.*?\n</think>\n\n", re.DOTALL)
_SPELLED = _cause(
    "an earlier answer's thought was trained in a spelling that the trainer does not recognise, so the"
    " trainer did not remove it and the server cannot restore it",
    "某个历史回答的思考用了训练器不认识的写法，训练时没有删除，服务端也无法还原",
    RESPELL,
)
RULES: tuple[Callable[[PromptDiff], Cause | None], ...] = (
    _refused,
    _prefill,
    _another_family,
    _begin_of_sentence,
    _missing,
    _forced,
    _one_token_here_only,
    _unreachable,
    _thoughts_in_history,
    _thought_lost,
    _thought_spelled,
    _newlines_of_an_answer,
    _tools,
    _white_space,
    _system_prompt,
    _anything,
)
