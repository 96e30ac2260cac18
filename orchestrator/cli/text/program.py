"""The command that starts this Conch from the user's shell, in the hints that tell what to type next.

Hints are decided, and stored, with the plain word: `conch serve RECIPE`. Where they are printed, runnable()
puts the command there.
"""

from __future__ import annotations

import re
import sys
from functools import cache

# `conch` before a verb or --help, with the argument `conch` behind the verb: that one is a recipe.
_COMMAND = re.compile(r"(?<![\w./-])conch(?= --help| [a-z])((?: (?:data|runs))? [a-z]+ conch\b)?")


def runnable(text: str) -> str:
    """A hint whose commands can be typed here."""
    if "conch" not in text:
        return text
    word = program()
    return _COMMAND.sub(lambda found: word + (found[1] or ""), text)


@cache
def program() -> str:
    """`conch` if that is what the shell would start, else the path of this one's console script."""
    import shlex
    import shutil
    from pathlib import Path

    script = Path(sys.executable).with_name("conch")
    found = shutil.which("conch")
    if not script.is_file() or (found and script.samefile(found)):
        return "conch"
    here = Path.cwd()
    return shlex.quote(str(script.relative_to(here) if script.is_relative_to(here) else script))
