"""A model that calls Python functions. `python examples/tools.py openai/gpt-4o-mini` asks a real provider."""

import asyncio
import sys

import penstock


def radius(planet: str) -> float:
    """The radius of a planet in kilometres.

    Args:
        planet: Its English name.
    """
    return {"earth": 6371.0, "mars": 3389.5}.get(planet.lower(), 1000.0)


async def distance(planet: str) -> float:
    """The mean distance of a planet from the sun in millions of kilometres."""
    await asyncio.sleep(0.1)
    return {"earth": 149.6, "mars": 227.9}.get(planet.lower(), 100.0)


def main(model: str = "sim/typical") -> None:
    with penstock.Client(model) as client:
        answer = client.converse(
            "How big is Mars, and how far from the sun?",
            tools=[radius, distance],
            tool_choice="required",
            max_steps=8,
            deadline="1m",
        )
    for message in answer.messages:
        print(message["role"], message.get("content") or [call["function"] for call in message["tool_calls"]])
    print(f"{len(answer.attempts)} requests, {answer.usage.total_tokens} tokens")


if __name__ == "__main__":
    main(*sys.argv[1:])
