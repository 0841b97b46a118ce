# parameters are a list of (w, b), activations two lists
import numpy as np

def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))

def dsigmoid(x):
    return sigmoid(x) - sigmoid(x) ** 2

def tanh(x):
    return 2 * sigmoid(2 * x) - 1

def dtanh(x):
    return 1 / np.cosh(x) ** 2

def softmax(x):
    ex = np.exp(x - x.max(1)[:, None])
    return ex / ex.sum(1)[:, None]

def glorot_init(n_inputs, neurons, n_outputs, rng):
    sizes = [n_inputs, *neurons, n_outputs]
    params = []
    for a, b in zip(sizes[:-1], sizes[1:]):
        lim = np.sqrt(6.0 / (a + b))
        params.append((rng.uniform(-lim, lim, (a, b)), np.zeros(b)))
    return params

def forward_prop(x, parameters, h, g_act):
    pre, act = [], [x]
    for i, (w, b) in enumerate(parameters):
        pre.append(act[-1] @ w + b)
        act.append(softmax(pre[-1]) if i == len(parameters) - 1 else g_act(pre[-1]))
    return pre, act

def cross_entropy(y_p, y_t):
    n = y_t.shape[0]
    true = y_p[np.arange(n), y_t.argmax(axis=1)]
    return -np.log(true + 1e-9).mean()

def backprop(activation_output, parameters, y, k, cl, d_act):
    pre, act = activation_output
    delta = (act[-1] - y) / len(y)
    grads = [None] * k
    for i in range(k - 1, -1, -1):
        grads[i] = (act[i].T @ delta, delta.sum(0))
        if i:
            delta = delta @ parameters[i][0].T * d_act(pre[i - 1])
    return grads

def gradient_descent(parameters, losses, eta):
    return [(w - eta * dw, b - eta * db) for (w, b), (dw, db) in zip(parameters, losses)]

def train_batch2(x_train, y_train, parameters, total_layers, epochs, eta, batch_size, g_act, d_act):
    epoch_losses, batch_losses = [], []
    indices = np.arange(len(x_train))
    for _ in range(epochs):
        np.random.shuffle(indices)
        here = []
        for batch in np.array_split(indices, range(batch_size, len(indices), batch_size)):
            out = forward_prop(x_train[batch], parameters, total_layers, g_act)
            here.append(cross_entropy(out[1][-1], y_train[batch]))
            grads = backprop(out, parameters, y_train[batch], total_layers - 1, y_train.shape[1], d_act)
            parameters = gradient_descent(parameters, grads, eta)
        batch_losses += here
        epoch_losses.append(sum(here) / len(here))
    return parameters, epoch_losses, batch_losses

def one_hot_encode(labels):
    return np.eye(len(set(labels)))[labels]
