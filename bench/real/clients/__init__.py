"""One file for each client: `run(task, prompts, tell)` asks every prompt and tells what came of it."""
