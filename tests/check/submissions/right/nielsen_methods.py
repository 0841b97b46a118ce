"""Everything is a method; the class has a name of its own."""
import random
import numpy as np


class NeuralNetwork:
    def __init__(self, sizes):
        self.num_layers = len(sizes)
        self.biases = [np.random.randn(y, 1) for y in sizes[1:]]
        self.weights = [np.random.randn(y, x) / np.sqrt(x) for x, y in zip(sizes[:-1], sizes[1:])]

    @staticmethod
    def sigmoid(z):
        return 1.0 / (1.0 + np.exp(-z))

    def sigmoid_prime(self, z):
        s = self.sigmoid(z)
        return s * (1 - s)

    def feedforward(self, a):
        for i in range(self.num_layers - 1):
            a = self.sigmoid(self.weights[i].dot(a) + self.biases[i])
        return a

    def backprop(self, x, y):
        zs, acts = [], [x]
        for i in range(self.num_layers - 1):
            zs.append(self.weights[i].dot(acts[-1]) + self.biases[i])
            acts.append(self.sigmoid(zs[-1]))
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        delta = (acts[-1] - y) * self.sigmoid_prime(zs[-1])
        nabla_b[-1], nabla_w[-1] = delta, delta * acts[-2].T
        for l in range(2, self.num_layers):
            delta = self.weights[-l + 1].T.dot(delta) * self.sigmoid_prime(zs[-l])
            nabla_b[-l], nabla_w[-l] = delta, delta * acts[-l - 1].T
        return [nabla_b, nabla_w]

    def update_mini_batch(self, mini_batch, eta):
        step = eta / len(mini_batch)
        gradients = [self.backprop(x, y) for x, y in mini_batch]
        for nabla_b, nabla_w in gradients:
            pass
        self.weights = [w - step * sum(g[1][i] for g in gradients) for i, w in enumerate(self.weights)]
        self.biases = [b - step * sum(g[0][i] for g in gradients) for i, b in enumerate(self.biases)]

    def cost_derivative(self, output, y):
        return output - y
