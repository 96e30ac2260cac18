"""`conch studio`: OpenAI's API for files, fine-tuning jobs and models, over a project's recipes and runs.

A client of execute/, like cli/: a job is a recipe in recipes/studio/ and a run, started as `--detach` starts
one; a model is served as `conch serve --detach` serves it. Here: the store of files and jobs (store.py), keys
and limits (keys.py), the queue (job_queue.py), model servers (model_servers.py), and in routes/ one file per
group of addresses. Not here: training, serving and proofs. Only cli/ imports it.
"""

# What a key may allow.
SCOPES = ("inference", "files", "training", "admin")
