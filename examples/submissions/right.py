"""The lesson's functions by a student who got them right: try `clearprop check examples/submissions/right.py`."""

import numpy as np


def tanh(x):
    return np.tanh(x)


def dtanh(x):
    return 1 - np.tanh(x) ** 2


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def glorot_init(n_inputs, neurons, n_outputs, rng):
    sizes = [n_inputs] + list(neurons) + [n_outputs]
    parameters = {}
    for i, (fan_in, fan_out) in enumerate(zip(sizes[:-1], sizes[1:]), start=1):
        limit = np.sqrt(6 / (fan_in + fan_out))
        parameters["w%d" % i] = rng.uniform(-limit, limit, (fan_in, fan_out))
        parameters["b%d" % i] = np.zeros(fan_out)
    return parameters


def forward_prop(x, parameters, h, g_act):
    out = {"h0": x}
    for i in range(1, h):
        out["a%d" % i] = out["h%d" % (i - 1)] @ parameters["w%d" % i] + parameters["b%d" % i]
        out["h%d" % i] = g_act(out["a%d" % i]) if i < h - 1 else softmax(out["a%d" % i])
    return out


def cross_entropy(y_p, y_t):
    return -np.sum(y_t * np.log(y_p + 1e-12)) / len(y_t)


def backprop(activation_output, parameters, y, k, cl, d_act):
    losses = {}
    delta = (activation_output["h%d" % k] - y) / len(y)
    for i in range(k, 0, -1):
        losses["dw%d" % i] = activation_output["h%d" % (i - 1)].T @ delta
        losses["db%d" % i] = delta.sum(axis=0)
        if i > 1:
            delta = delta @ parameters["w%d" % i].T * d_act(activation_output["a%d" % (i - 1)])
    return losses


def gradient_descent(parameters, losses, eta):
    return {name: parameters[name] - eta * losses["d" + name] for name in parameters}


def one_hot_encode(labels):
    labels = np.asarray(labels)
    return np.eye(labels.max() + 1)[labels]


def train_batch2(x_train, y_train, parameters, total_layers, epochs, eta, batch_size, g_act, d_act, rng=None):
    rng = rng or np.random.default_rng()
    train_losses, batch_losses = [], []
    n = len(x_train)
    for epoch in range(epochs):
        order = rng.permutation(n)
        x, y = x_train[order], y_train[order]
        epoch_losses = []
        for start in range(0, n, batch_size):
            xb, yb = x[start : start + batch_size], y[start : start + batch_size]
            out = forward_prop(xb, parameters, total_layers, g_act)
            epoch_losses.append(cross_entropy(out["h%d" % (total_layers - 1)], yb))
            losses = backprop(out, parameters, yb, total_layers - 1, y.shape[1], d_act)
            parameters = gradient_descent(parameters, losses, eta)
        batch_losses += epoch_losses
        train_losses.append(np.mean(epoch_losses))
    return parameters, train_losses, batch_losses
