"""The verbs that serve."""
