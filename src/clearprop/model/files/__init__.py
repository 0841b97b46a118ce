"""The model file: safetensors with JSON metadata, read without trusting it."""
