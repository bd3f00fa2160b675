"""One prompt, one answer. `python examples/generate.py openai/gpt-4o-mini` asks a real provider."""

import sys

import penstock


def main(model: str = "sim/typical") -> None:
    with penstock.Client(model, deadline=30) as client:
        answer = client.generate("How big is the moon?", max_tokens=100)
    print(answer.text)
    print(f"{answer.target}: {answer.usage.output_tokens} tokens in {answer.latency_s:.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
