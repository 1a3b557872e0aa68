# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where things lie: the source tree, the lab's output, the cache."""

import os
import pathlib

TOP = pathlib.Path(__file__).resolve().parents[3]
LAB = TOP / "tests" / "lab"
OUT = TOP / "build" / "lab"


def cache() -> pathlib.Path:
    """The content-addressed cache: $CVM_CACHE, else build/lab/cache."""
    path = pathlib.Path(os.environ.get("CVM_CACHE") or OUT / "cache")
    path.mkdir(parents=True, exist_ok=True)
    return path
