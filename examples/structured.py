"""An answer as an instance of a type. `python examples/structured.py openai/gpt-4o-mini` asks a real provider."""

import sys
from dataclasses import dataclass

import penstock


@dataclass
class Moon:
    name: str
    planet: str
    radius_km: float
    visited: bool = False


def main(model: str = "sim/typical") -> None:
    with penstock.Client(model, deadline=60) as client:
        answer = client.generate("Describe one moon of the solar system.", schema=Moon)
        print(answer.parsed)
        with client.stream("Name three moons.", schema=list[Moon]) as stream:
            for chunk in stream:
                print(f"\r{len(chunk.partial or [])} so far", end="", flush=True)
        print(f"\n{stream.answer.parsed[0].name}, {len(stream.answer.parsed)} in all")


if __name__ == "__main__":
    main(*sys.argv[1:])
