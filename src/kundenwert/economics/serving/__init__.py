"""How long the firm serves whom, by its retention rule."""
