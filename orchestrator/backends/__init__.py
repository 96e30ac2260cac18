"""What other tools read and print, one file per tool, with every quirk of its version. Pure.

Not here: starting those tools (execute/). The stages, execute/ and cli/ import it.
"""
