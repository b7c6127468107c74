"""What may become of each customer: the distribution of the net present value, from simulated futures."""
