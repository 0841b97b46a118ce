"""Facts of a study, read from its results and told in words."""
