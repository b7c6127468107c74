"""Lots drawn for customers: random numbers that hang on the seed and the customer's id, and on nothing else."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from kundenwert.models.core import Array

__all__ = ["HOLD_OUT", "PRIORITY", "lots"]

HOLD_OUT: Final = "hold out"  # who is held out
PRIORITY: Final = "priority"  # who comes first of those who are alike
BITS: Final = 53  # of a number that has a fraction


def lots(customer_id: pd.Index, seed: int, purpose: str) -> Array:
    """Numbers from 0 to 1, one a customer; those for different purposes have nothing to do with each other."""
    key = blake2b(f"{seed}:{purpose}".encode()).digest()
    drawn = b"".join(blake2b(str(each).encode(), key=key, digest_size=8).digest() for each in customer_id.tolist())
    return np.asarray((np.frombuffer(drawn, dtype="<u8") >> np.uint64(64 - BITS)) * 2.0**-BITS)
