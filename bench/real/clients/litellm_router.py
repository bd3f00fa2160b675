"""LiteLLM's Router as its pages on reliability advise: retries, a timeout for each of them, fallbacks in order.

`settings`: `router` is passed to the Router, `deployment` to each deployment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it fetches its price list at import otherwise

import litellm

from bench.real.task import MODEL, Task, Tell, each

__all__ = ["run"]

litellm.suppress_debug_info = True
litellm.telemetry = False


async def run(task: Task, prompts: Iterator[str], tell: Tell) -> None:
    first, *others = task.targets
    own = task.settings.get("deployment", {})
    deployments = [
        {
            "model_name": name,
            "litellm_params": {
                "model": f"openai/{MODEL}",
                "api_base": task.base_url(name),
                "api_key": task.key,
                **own,
            },
        }
        for name in task.targets
    ]
    settings = {"fallbacks": [{first: others}] if others else [], **task.settings.get("router", {})}
    router = litellm.Router(model_list=deployments, **settings)

    async def ask(prompt: str) -> str | None:
        completion = await router.acompletion(model=first, messages=[{"role": "user", "content": prompt}])
        return completion.choices[0].message.content

    await each(task, prompts, ask, tell, is_cut=True)
