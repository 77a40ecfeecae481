"""What a test sees does not hang on what ran before it, and nothing is written to the user's folders."""

import os

from clip_conformance.cache import VARIABLE

os.environ[VARIABLE] = ""
