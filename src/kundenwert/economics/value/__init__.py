"""The expected net present value of each customer, and the table of scores."""
