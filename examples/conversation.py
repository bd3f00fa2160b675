"""A conversation that stays within 300 tokens: what leaves the window is told in a summary."""

import penstock

with penstock.Client("sim/fast") as client:  # or "openai/gpt-4o-mini", with OPENAI_API_KEY set
    chat = penstock.Conversation("You are a guide to rivers.", client=client, max_tokens=300, compress="summary")
    chat.add("user", "My name is Ada.", pinned=True)
    for river in ("Nile", "Amazon", "Danube", "Volga", "Rhine", "Indus"):
        print(chat.ask(f"What should one know about the {river}? " + "Its length, its source and its mouth. " * 2).text)
    print(f"{len(chat)} messages, {len(chat.last_sent.messages)} of them sent, {chat.last_sent.tokens} tokens")
    stats = chat.stats()
    print(f"{stats.utilisation:.0%} of the room, {stats.summarised} in {stats.summaries} summaries")
