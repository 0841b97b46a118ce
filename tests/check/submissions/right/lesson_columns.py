# an example is a column
import numpy as np

def relu(z): return np.maximum(z, 0.0)
def drelu(z): return np.where(z <= 0, 0.0, 1.0)
def tanh(z): return (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))
def dtanh(z): return 1 - tanh(z) * tanh(z)

def softmax(z):
    e = np.exp(z - z.max(axis=0, keepdims=True))
    return e / e.sum(axis=0, keepdims=True)

def glorot_init(n_inputs, neurons, n_outputs, rng):
    s = [n_inputs] + neurons + [n_outputs]
    p = {}
    for i in range(1, len(s)):
        r = np.sqrt(6 / (s[i] + s[i - 1]))
        p[f"w{i}"] = rng.uniform(-r, r, (s[i], s[i - 1]))
        p[f"b{i}"] = np.zeros((s[i], 1))
    return p

def forward_prop(x, parameters, h, g_act):
    out = {"h0": x}
    for i in range(1, h):
        out[f"a{i}"] = parameters[f"w{i}"] @ out[f"h{i-1}"] + parameters[f"b{i}"]
        out[f"h{i}"] = (softmax if i == h - 1 else g_act)(out[f"a{i}"])
    return out

def cross_entropy(y_p, y_t):
    return -np.sum(y_t * np.log(y_p + 1e-12)) / y_p.shape[1]

def backprop(activation_output, parameters, y, k, cl, d_act):
    m = y.shape[1]
    dz = activation_output[f"h{k}"] - y
    g = {}
    for i in range(k, 0, -1):
        g[f"dw{i}"] = dz @ activation_output[f"h{i-1}"].T / m
        g[f"db{i}"] = dz.sum(axis=1, keepdims=True) / m
        if i > 1:
            dz = parameters[f"w{i}"].T @ dz * d_act(activation_output[f"a{i-1}"])
    return g

def gradient_descent(parameters, losses, eta):
    return {k: parameters[k] - eta * losses["d" + k] for k in parameters}

def one_hot_encode(labels):
    labels = np.asarray(labels)
    return (np.unique(labels)[:, None] == labels[None, :]).astype(float)
