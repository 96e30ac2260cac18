"""From a recipe to a plan, pure: resolving names into a Job, training kinds, stages and their order.

Not here: reading files (execute/project) and what engines read (backends/). execute/ and cli/ import it;
plan/stages also holds the Settings type of each task.
"""
