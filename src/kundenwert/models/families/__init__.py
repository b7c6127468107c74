"""What several models share: quantities and priors, the likelihood, how customers are simulated."""
