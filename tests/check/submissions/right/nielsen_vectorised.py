import numpy as np

class Network():
    def __init__(self, sizes):
        self.sizes = list(sizes)
        self.num_layers = len(self.sizes)
        self.weights, self.biases = [], []
        for n_in, n_out in zip(self.sizes[:-1], self.sizes[1:]):
            self.weights.append(np.random.normal(0, 1 / np.sqrt(n_in), (n_out, n_in)))
            self.biases.append(np.random.normal(size=(n_out, 1)))

    def _forward(self, a):
        out = [a]
        for w, b in zip(self.weights, self.biases):
            out.append(sigmoid(np.matmul(w, out[-1]) + b))
        return out

    def feedforward(self, a):
        return self._forward(a)[-1]

    def cost_derivative(self, output_activations, y):
        return np.subtract(output_activations, y)

    def backprop(self, x, y):
        out = self._forward(x)
        deltas = [self.cost_derivative(out[-1], y) * out[-1] * (1 - out[-1])]
        for w, a in zip(self.weights[:0:-1], out[-2:0:-1]):
            deltas.insert(0, np.matmul(w.T, deltas[0]) * a * (1 - a))
        return deltas, [np.matmul(d, a.T) for d, a in zip(deltas, out[:-1])]

    def update_mini_batch(self, mini_batch, eta):
        x = np.hstack([x for x, _ in mini_batch])
        y = np.hstack([y for _, y in mini_batch])
        m = x.shape[1]
        out = self._forward(x)
        delta = (out[-1] - y) * out[-1] * (1 - out[-1])
        updates = []
        for i in range(len(self.weights) - 1, -1, -1):
            updates.append((i, delta @ out[i].T / m, delta.sum(axis=1, keepdims=True) / m))
            delta = self.weights[i].T @ delta * out[i] * (1 - out[i])
        for i, dw, db in updates:
            self.weights[i] = self.weights[i] - eta * dw
            self.biases[i] = self.biases[i] - eta * db

def sigmoid(z):
    return np.piecewise(z, [z >= 0, z < 0], [lambda v: 1 / (1 + np.exp(-v)), lambda v: np.exp(v) / (1 + np.exp(v))])

def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))
