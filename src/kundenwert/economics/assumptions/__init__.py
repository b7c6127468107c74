"""What the firm says: margins, costs, discounting, retention rules, referral, terms per customer and over time."""
