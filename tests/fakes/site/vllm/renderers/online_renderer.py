"""A chat request as ids: the jinja is really rendered, by the same engine with the same switches."""

from letters import BOS, EOS
from transformers.utils.chat_template_utils import _compile_jinja_template


class OnlineRenderer:
    """As much as the probe calls."""

    def __init__(self, _config: object, renderer: object, **settings: object) -> None:
        self.renderer = renderer
        self.default_chat_template_kwargs = settings["default_chat_template_kwargs"]
        self._template = _compile_jinja_template(settings["chat_template"])

    async def render_chat(self, request: object) -> tuple:
        """(messages, prompts)."""
        extra = {**self.default_chat_template_kwargs, **(request.chat_template_kwargs or {})}
        text = self._template.render(
            messages=request.messages, bos_token=BOS, eos_token=EOS, add_generation_prompt=True, **extra
        )
        return request.messages, [{"prompt_token_ids": self.renderer.get_tokenizer().encode(text)}]
