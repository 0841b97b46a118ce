"""Facts of a study, computed from its results, and how to write them in words."""
