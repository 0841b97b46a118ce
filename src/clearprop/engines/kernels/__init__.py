"""Arithmetic kernels of the NumPy engine: BLAS calls, memory layout, zero columns, optimizer updates."""
