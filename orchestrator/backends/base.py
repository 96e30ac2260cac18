"""What the backends share: settings as YAML text, and what a failure looks like in a log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

# libyaml's, where PyYAML has it (every wheel does): `conch plan` is read while one waits.
_Dumper: type[yaml.SafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def yaml_text(settings: Mapping[str, object]) -> str:
    r"""Settings in their own order, Chinese as it is.

    >>> yaml_text({"template": "deepseekr1", "enable_thinking": None, "问": 1.0e-4})
    'template: deepseekr1\nenable_thinking: null\n问: 0.0001\n'
    """
    text: str = yaml.dump(dict(settings), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


@dataclass(frozen=True, slots=True)
class Symptom:
    """A sentence of a log and what it means.

    Attributes:
        pattern: searched in the log; `what` and `hint` may use its named groups.
        missing: something is missing (exit code 3), not broken (exit code 4).
    """

    pattern: str
    what: str
    hint: str
    missing: bool = False
