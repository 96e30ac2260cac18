"""Where vLLM looks for files: its clock is taken away, and nothing else of it is asked for."""
