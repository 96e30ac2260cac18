"""The Python environments of the engines and tools: lockfiles, builds, audits, and what a run needs first.

Not here: running anything in an environment (launchers/). Rooms from models/ upwards import it.
"""
