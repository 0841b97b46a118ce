"""Submissions run contained: probes go in, outputs come out, as plain data; nothing else of either side."""
