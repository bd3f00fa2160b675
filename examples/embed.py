"""Vectors of texts, and which two are most alike."""

import itertools
import sys

import penstock

TEXTS = ["A boat in the harbour.", "A ship at the quay.", "The price of tea."]


def alike(a: list[float], b: list[float]) -> float:
    """The cosine of the angle between two vectors."""
    norm = sum(x * x for x in a) ** 0.5 * sum(x * x for x in b) ** 0.5
    return sum(x * y for x, y in zip(a, b, strict=True)) / norm


def main(model: str = "sim/fast") -> None:
    with penstock.Client() as client:
        vectors = client.embed(TEXTS, model=model, dimensions=64)
    pairs = itertools.combinations(range(len(TEXTS)), 2)
    first, second = max(pairs, key=lambda pair: alike(vectors[pair[0]], vectors[pair[1]]))
    print(f"most alike: {TEXTS[first]!r} and {TEXTS[second]!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
