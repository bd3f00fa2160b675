"""What holds for every test."""

from __future__ import annotations

import hypothesis

# A property isn't wrong because the machine was busy while it was tried.
hypothesis.settings.register_profile("penstock", deadline=None)
hypothesis.settings.load_profile("penstock")
