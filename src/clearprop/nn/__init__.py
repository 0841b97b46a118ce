"""The perceptron described: layers, activations, initialization, losses, optimizers, schedules, scaling."""
