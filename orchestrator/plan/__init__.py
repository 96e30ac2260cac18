"""From a recipe to a plan, pure: jobs, stages and their order."""
