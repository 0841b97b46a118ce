"""Studies: several experiments, run, kept on disk, and told as one story."""
