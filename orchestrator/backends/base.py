"""What the dialects share: settings as YAML text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

# libyaml's, where PyYAML has it (every wheel does): `conch plan` is read while one waits.
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def yaml_text(settings: Mapping[str, Any]) -> str:
    r"""Settings in their own order, Chinese as it is.

    >>> yaml_text({"template": "deepseekr1", "enable_thinking": None, "问": 1.0e-4})
    'template: deepseekr1\nenable_thinking: null\n问: 0.0001\n'
    """
    text: str = yaml.dump(dict(settings), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text
