# training with backpropagation written into its loop
import numpy as np


def relu(x):
    return np.maximum(x, 0)


def drelu(x):
    return (x > 0) * 1.0


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy(y_p, y_t):
    return float(np.mean(-np.log(np.sum(y_p * y_t, axis=1) + 1e-12)))


def train_batch2(x_train, y_train, parameters, total_layers, epochs, eta, batch_size, g_act, d_act):
    k = total_layers - 1
    epoch_losses, batch_losses = [], []
    for _ in range(epochs):
        order = np.random.permutation(len(x_train))
        for begin in range(0, len(order), batch_size):
            rows = order[begin : begin + batch_size]
            y = y_train[rows]
            hs, zs = [x_train[rows]], [None]
            for i in range(1, k + 1):
                zs.append(hs[-1] @ parameters[f"w{i}"] + parameters[f"b{i}"])
                hs.append(softmax(zs[-1]) if i == k else g_act(zs[-1]))
            batch_losses.append(cross_entropy(hs[-1], y))
            delta = (hs[-1] - y) / len(y)
            new = {}
            for i in range(k, 0, -1):
                new[f"w{i}"] = parameters[f"w{i}"] - eta * hs[i - 1].T @ delta
                new[f"b{i}"] = parameters[f"b{i}"] - eta * delta.sum(axis=0)
                if i > 1:
                    delta = delta @ parameters[f"w{i}"].T * d_act(zs[i - 1])
            parameters = new
        epoch_losses.append(np.mean(batch_losses[-(-(-len(order) // batch_size)) :]))
    return parameters, epoch_losses, batch_losses
