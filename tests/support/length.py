"""Whether tests that can go on for long do: JACKSTAY_SOAK=1, as `make soak` says."""

import os

WHOLE = os.environ.get("JACKSTAY_SOAK") == "1"
