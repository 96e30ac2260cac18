"""The settings of a training, as far as the probe reads them."""

from types import SimpleNamespace


def get_train_args(settings: dict) -> tuple:
    """(model, data, training, finetuning, generating) arguments."""
    known = {"max_samples": None, "mask_history": False, "enable_thinking": None, **settings}
    data = SimpleNamespace(**known)
    return SimpleNamespace(**known), data, SimpleNamespace(**known), None, None
