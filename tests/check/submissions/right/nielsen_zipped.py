import numpy as np

def sigmoid(z):
    return 1 / (1 + np.exp(-np.clip(z, -500, 500)))

def sigmoid_prime(a):
    return a * (1 - a)

class Network:
    def __init__(self, sizes, seed=1):
        rng = np.random.default_rng(seed)
        self.sizes = sizes
        self.weights = [rng.standard_normal((n, m)) / np.sqrt(m) for m, n in zip(sizes, sizes[1:])]
        self.biases = [np.zeros((n, 1)) for n in sizes[1:]]

    def feedforward(self, a):
        for w, b in zip(self.weights, self.biases):
            a = sigmoid(w @ a + b)
        return a

    def backprop(self, x, y):
        activations = [x]
        for w, b in zip(self.weights, self.biases):
            activations.append(sigmoid(w @ activations[-1] + b))
        nabla_b, nabla_w = [], []
        delta = (activations[-1] - y) * sigmoid_prime(activations[-1])
        for i in reversed(range(len(self.weights))):
            nabla_b.insert(0, delta)
            nabla_w.insert(0, delta @ activations[i].T)
            if i > 0:
                delta = self.weights[i].T @ delta * sigmoid_prime(activations[i])
        return nabla_b, nabla_w

    def update_mini_batch(self, mini_batch, eta):
        n = len(mini_batch)
        sums_b = [np.zeros_like(b) for b in self.biases]
        sums_w = [np.zeros_like(w) for w in self.weights]
        for x, y in mini_batch:
            nb, nw = self.backprop(x, y)
            for i in range(len(nb)):
                sums_b[i] += nb[i] / n
                sums_w[i] += nw[i] / n
        for i in range(len(sums_w)):
            self.weights[i] -= eta * sums_w[i]
            self.biases[i] -= eta * sums_b[i]
