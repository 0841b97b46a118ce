# the truth is given as labels, the cache beside the prediction
import numpy as np

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def dsigmoid(x):
    return np.exp(-x) / (1 + np.exp(-x)) ** 2

def softmax(x):
    e = np.exp(x - np.amax(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)

def forward_prop(x, parameters, h, g_act):
    cache = {"h0": x}
    for i in range(1, h):
        cache[f"a{i}"] = cache[f"h{i - 1}"] @ parameters[f"w{i}"] + parameters[f"b{i}"]
        cache[f"h{i}"] = g_act(cache[f"a{i}"]) if i < h - 1 else softmax(cache[f"a{i}"])
    return cache

def cross_entropy(y_p, y):
    return np.mean(-np.log(y_p[np.arange(len(y)), y] + 1e-12))

def backprop(cache, parameters, y, k, cl, d_act):
    n = len(y)
    delta = cache[f"h{k}"].copy()
    delta[np.arange(n), y] -= 1
    delta /= n
    gradients = {}
    for i in range(k, 0, -1):
        gradients[f"dw{i}"] = cache[f"h{i - 1}"].T @ delta
        gradients[f"db{i}"] = delta.sum(axis=0)
        if i > 1:
            delta = delta @ parameters[f"w{i}"].T * d_act(cache[f"a{i - 1}"])
    return gradients

def gradient_descent(parameters, losses, eta):
    return {name: parameters[name] - eta * losses[f"d{name}"] for name in parameters}
