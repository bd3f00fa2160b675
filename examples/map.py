"""Many prompts: answers come in order while later ones are still being asked, and no failure stops the rest."""

import sys

import penstock

CAPITALS = ["Chile", "Estonia", "Ghana", "Laos", "Malta", "Nepal", "Peru", "Samoa", "Togo", "Uruguay"]


def main(model: str = "sim/flaky") -> None:
    prompts = [f"What is the capital of {country}? One word." for country in CAPITALS]
    with penstock.Client(model) as client:
        for country, answer in zip(CAPITALS, client.map(prompts, temperature=0), strict=True):
            print(f"{country}: {answer.text if answer.status == 'success' else answer.error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
