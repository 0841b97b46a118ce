# everything example by example
import math
import numpy as np

def sigmoid(x):
    x = np.asarray(x, dtype=float)
    out = np.empty_like(x)
    for index, value in np.ndenumerate(x):
        if value >= 0:
            out[index] = 1 / (1 + math.exp(-value))
        else:
            e = math.exp(value)
            out[index] = e / (1 + e)
    return out

def dsigmoid(x):
    return sigmoid(x) * sigmoid(-x)

def relu(x):
    y = np.copy(x)
    y[y < 0] = 0
    return y

def drelu(x):
    y = np.zeros_like(x)
    y[x >= 0] = 1
    return y

def softmax(x):
    rows = []
    for row in np.atleast_2d(x):
        e = [math.exp(v - max(row)) for v in row]
        rows.append([v / sum(e) for v in e])
    return np.array(rows)

def glorot_init(n_inputs, neurons, n_outputs, rng):
    w = {}
    previous = n_inputs
    for number, size in enumerate(neurons + [n_outputs]):
        limit = math.sqrt(6) / math.sqrt(previous + size)
        w["w" + str(number + 1)] = rng.uniform(low=-limit, high=limit, size=(previous, size))
        w["b" + str(number + 1)] = np.array([0.0] * size)
        previous = size
    return w

def forward_prop(x, parameters, h, g_act):
    results = {"h0": x}
    for i in range(1, h):
        z = np.zeros((len(x), parameters["b" + str(i)].size))
        for row in range(len(x)):
            z[row] = results["h" + str(i - 1)][row] @ parameters["w" + str(i)] + parameters["b" + str(i)].ravel()
        results["a" + str(i)] = z
        results["h" + str(i)] = g_act(z) if i < h - 1 else softmax(z)
    return results

def cross_entropy(y_p, y_t):
    total = 0.0
    for p, t in zip(y_p, y_t):
        total -= math.log(max(p[np.argmax(t)], 1e-15))
    return total / len(y_p)

def backprop(activation_output, parameters, y, k, cl, d_act):
    n = len(y)
    grads = {}
    for i in range(1, k + 1):
        grads["dw" + str(i)] = np.zeros_like(parameters["w" + str(i)])
        grads["db" + str(i)] = np.zeros_like(parameters["b" + str(i)])
    for row in range(n):
        delta = activation_output["h" + str(k)][row] - y[row]
        for i in range(k, 0, -1):
            grads["dw" + str(i)] += np.outer(activation_output["h" + str(i - 1)][row], delta) / n
            grads["db" + str(i)] += delta / n
            if i > 1:
                delta = parameters["w" + str(i)] @ delta * d_act(activation_output["a" + str(i - 1)][row])
    return grads

def gradient_descent(parameters, losses, eta):
    result = {}
    for key, value in parameters.items():
        step = [[-eta * g for g in row] for row in np.atleast_2d(losses["d" + key])]
        result[key] = value + np.array(step).reshape(value.shape)
    return result

def one_hot_encode(labels):
    classes = sorted(set(int(label) for label in labels))
    return np.array([[1.0 if label == c else 0.0 for c in classes] for label in labels])

def average_every(data, n):
    return [float(np.mean(data[i:i + n])) for i in range(0, len(data), n)]

def average_every_200_elements(data):
    return average_every(data, 200)
