"""One file for each that is measured: `prepare(work)` outside the clock, `ask(work, prepared)` inside it."""
