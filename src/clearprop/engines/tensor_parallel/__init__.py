"""Tensor parallelism on one machine: weights sharded over worker processes."""
