"""Where a command runs: on this machine, or elsewhere."""
