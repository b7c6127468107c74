"""From dated values to money: timelines, their exponential pieces, the discounted counts and paths under them."""
