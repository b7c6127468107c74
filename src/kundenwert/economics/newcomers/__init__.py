"""What a new customer is worth, at acquisition: by channel, with payback."""
