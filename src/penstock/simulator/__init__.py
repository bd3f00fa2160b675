"""A provider that is made of behaviour: it answers, limits, stalls and breaks as a scenario tells it to.

`behaviour` decides, `script` says it in bytes and times, and two thin shells play the script: `server` over
sockets, `memory` over a clock. The ledger tells every request that was served, so that anyone can prove that
nothing was paid twice.
"""

__all__: list[str] = []
