"""The first target is down, and there is an answer all the same: who was asked, in which order, and what came back."""

import penstock

CONFIG = {
    "routes": {
        "default": {
            "targets": ["sim/down", "sim/typical", "sim/fast"],
            "deadline": "30s",
            "hedge": "auto",
            "timeouts": {"first_token": "5s"},
        }
    }
}


def main() -> None:
    with penstock.Client(route="default", config=CONFIG) as client:
        for number in range(5):
            answer = client.generate(f"What is {number} squared?", max_tokens=20)
            tried = ", ".join(f"{attempt.target} {attempt.outcome}" for attempt in answer.attempts)
            print(f"{answer.latency_s:.2f} s: {tried}")
        stats = client.stats()
    print(f"{stats.requests} requests, {stats.extra_requests} of them beyond one for each prompt")
    for name, target in stats.targets.items():
        print(f"{name}: {target.answered} answered, breaker {target.breaker}")


if __name__ == "__main__":
    main()
