"""Running a plan: the loop over stages, the cache, checkpoints, the in-process tasks, sweeps over trials.

Not here: servers (servers/), what single tasks do (data/, proving/, evaluating/). The rooms above and cli/
import it.
"""
