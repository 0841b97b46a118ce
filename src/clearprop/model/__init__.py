"""A trained network: prediction, evaluation, calibration, its files and its conversion."""
