# derivatives are given the output of the activation
import numpy as np

def sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))

def dsigmoid(h):
    return h * (1 - h)

def tanh(x):
    return np.tanh(x)

def dtanh(h):
    return 1 - np.square(h)

def relu(x):
    return x * (x > 0)

def drelu(h):
    return np.where(h > 0, 1, 0)

def softmax(z):
    z = z - z.max(axis=-1, keepdims=True)
    return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)

def glorot_init(n_inputs, neurons, n_outputs, rng=None):
    rng = rng or np.random.default_rng()
    layers = (n_inputs, *neurons, n_outputs)
    p = {}
    for i, (fan_in, fan_out) in enumerate(zip(layers, layers[1:]), start=1):
        limit = (6.0 / (fan_in + fan_out)) ** 0.5
        p["w%d" % i] = (2 * rng.random((fan_in, fan_out)) - 1) * limit
        p["b%d" % i] = np.zeros((1, fan_out))
    return p

def forward_prop(x, parameters, h, g_act):
    h_prev = x
    result = dict(h0=x)
    for layer in range(1, h - 1):
        z = h_prev @ parameters["w%d" % layer] + parameters["b%d" % layer]
        h_prev = g_act(z)
        result["a%d" % layer], result["h%d" % layer] = z, h_prev
    last = h - 1
    z = h_prev @ parameters["w%d" % last] + parameters["b%d" % last]
    result["a%d" % last], result["h%d" % last] = z, softmax(z)
    return result

def cross_entropy(y_p, y_t):
    p = np.clip(y_p, 1e-10, 1.0)
    return -(y_t * np.log(p)).sum() / len(y_p)

def backprop(cache, params, y, k, cl, d_act):
    m = len(y)
    d = (cache["h%d" % k] - y) / m
    grads = {}
    for i in reversed(range(1, k + 1)):
        grads["dw%d" % i] = cache["h%d" % (i - 1)].T @ d
        grads["db%d" % i] = d.sum(axis=0, keepdims=True)
        if i != 1:
            d = (d @ params["w%d" % i].T) * d_act(cache["h%d" % (i - 1)])
    return grads

def gradient_descent(parameters, losses, eta):
    updated = dict(parameters)
    for i in range(1, len(parameters) // 2 + 1):
        updated["w%d" % i] = parameters["w%d" % i] - eta * losses["dw%d" % i]
        updated["b%d" % i] = parameters["b%d" % i] - eta * losses["db%d" % i]
    return updated

def train_batch2(x_train, y_train, parameters, total_layers, epochs, eta, batch_size, g_act, d_act, rng=None):
    rng = rng or np.random.default_rng()
    train_losses, batch_losses = [], []
    k = total_layers - 1
    for e in range(epochs):
        perm = rng.permutation(len(x_train))
        xs, ys = x_train[perm], y_train[perm]
        total = 0
        for i in range(0, len(xs), batch_size):
            xb, yb = xs[i:i + batch_size], ys[i:i + batch_size]
            cache = forward_prop(xb, parameters, total_layers, g_act)
            loss = cross_entropy(cache["h%d" % k], yb)
            batch_losses.append(loss)
            total += loss * len(xb)
            parameters = gradient_descent(parameters, backprop(cache, parameters, yb, k, yb.shape[1], d_act), eta)
        train_losses.append(total / len(xs))
    return parameters, train_losses, batch_losses

def one_hot_encode(labels):
    labels = np.array(labels)
    return (labels[:, None] == np.unique(labels)[None, :]).astype(int)
