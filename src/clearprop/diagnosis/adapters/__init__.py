"""Adapters: trainings of Clearprop, scikit-learn, PyTorch and Keras, read as Programs."""
