"""Whether those who buy more often also spend more: measured, and corrected for."""
