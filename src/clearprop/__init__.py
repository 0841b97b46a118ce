"""The multilayer perceptron you can see through."""
