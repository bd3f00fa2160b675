"""Two wordings of one prompt compared: each user always sees the same one, and every answer says which it was."""

from collections import Counter

import penstock
from penstock.prompts import Split

VERSIONS = {
    "1.0.0": penstock.Prompt("Translate to German: {{ text }}", name="translate", version="1.0.0"),
    "1.1.0": penstock.Prompt(
        [
            {"role": "system", "content": "You translate into {{ language }}. Answer with the translation alone."},
            {"role": "user", "content": "{{ text }}"},
        ],
        name="translate",
        version="1.1.0",
        defaults={"language": "German"},
    ),
}
split = Split({"1.0.0": 75, "1.1.0": 25}, salt="translate")

with penstock.Client("sim/fast") as client:  # or "openai/gpt-4o-mini", with OPENAI_API_KEY set
    prompts = [VERSIONS[split.arm(f"user-{number}")].render(text=f"lock {number}") for number in range(200)]
    tokens: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    for answer in client.map(prompts):
        answers[str(answer.prompt)] += 1
        tokens[str(answer.prompt)] += answer.usage.output_tokens
    for version, count in sorted(answers.items()):
        print(f"{version}: {count} answers, {tokens[version] / count:.1f} tokens each")
