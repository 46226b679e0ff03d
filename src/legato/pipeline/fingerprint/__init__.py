"""What code and values a step reaches, as ingredients of its key.

Rule (law 1): whatever can change a step's result and can be seen from its live function is in its
fingerprint; comments, layout and names of steps are not. Format: docs/formats/key.md.
"""

from legato.pipeline.fingerprint.fingerprints import Fingerprints
from legato.pipeline.fingerprint.packages import Packages
from legato.pipeline.fingerprint.sources import Sources

__all__ = ["Fingerprints", "Packages", "Sources"]
