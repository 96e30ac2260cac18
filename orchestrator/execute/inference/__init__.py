"""Talking to a model server: requests, retries, answers, and the tasks that ask and score.

Not here: starting a server (servers/), and judging answers (checks/, evaluating/). Rooms from run_store/
upwards import it.
"""
