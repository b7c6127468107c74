"""What is computed: quadrature, sums, and the laws of living customers, without priors or data."""
