"""Homework 3 -- my solution"""
from typing import Callable, Dict, List, Tuple
import numpy as np

EPS = 1e-12
Params = Dict[str, np.ndarray]


def _layer_count(params: Params) -> int:
    return len(params) // 2


def _one_layer(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    return x.dot(w) + b


def relu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0)


def drelu(x: np.ndarray) -> np.ndarray:
    return np.heaviside(x, 0.5)


def tanh(x: np.ndarray) -> np.ndarray:
    return np.tanh(x)


def dtanh(x: np.ndarray) -> np.ndarray:
    return 1.0 - np.power(np.tanh(x), 2)


def glorot_init(n_inputs: int, neurons: List[int], n_outputs: int, rng: np.random.Generator) -> Params:
    sizes = [n_inputs, *neurons, n_outputs]
    bounds = [np.sqrt(6 / (a + b)) for a, b in zip(sizes[:-1], sizes[1:])]
    ws = {f"w{i+1}": rng.uniform(-m, m, (sizes[i], sizes[i + 1])) for i, m in enumerate(bounds)}
    bs = {f"b{i+1}": np.zeros((sizes[i + 1],)) for i in range(len(bounds))}
    return {**ws, **bs}


def forward_prop(x: np.ndarray, params: Params, h: int, g_act: Callable) -> Params:
    out: Params = {"h0": x}
    k = _layer_count(params)
    for i in range(1, k + 1):
        a = _one_layer(out[f"h{i - 1}"], params[f"w{i}"], params[f"b{i}"])
        out[f"a{i}"] = a
        if i < k:
            out[f"h{i}"] = g_act(a)
        else:
            shifted = a - a.max(axis=1, keepdims=True)
            out[f"h{i}"] = (np.exp(shifted).T / np.exp(shifted).sum(axis=1)).T
    return out


def cross_entropy(y_p: np.ndarray, y_t: np.ndarray) -> float:
    losses = [-np.dot(t, np.log(p + EPS)) for p, t in zip(y_p, y_t)]
    return sum(losses) / len(losses)


def backprop(acts: Params, params: Params, y: np.ndarray, k: int, cl: int, d_act: Callable) -> Params:
    n = acts["h0"].shape[0]
    deltas = {k: (acts[f"h{k}"] - y) / n}
    for i in range(k - 1, 0, -1):
        deltas[i] = np.matmul(deltas[i + 1], np.transpose(params[f"w{i + 1}"])) * d_act(acts[f"a{i}"])
    grads: Params = {}
    for i, delta in deltas.items():
        grads[f"dw{i}"] = np.tensordot(acts[f"h{i - 1}"], delta, axes=(0, 0))
        grads[f"db{i}"] = np.ones(n) @ delta
    return grads


def gradient_descent(params: Params, grads: Params, eta: float) -> Params:
    return {name: np.subtract(params[name], np.multiply(eta, grads[f"d{name}"])) for name in params}


def train_batch2(x_train, y_train, parameters, total_layers, epochs, eta, batch_size, g_act, d_act) -> Tuple:
    n = len(x_train)
    n_batches = n // batch_size + (n % batch_size > 0)
    train_losses, batch_losses = [], []
    for _ in range(epochs):
        shuffled = np.random.permutation(n)
        x_shuffled = x_train[shuffled]
        y_shuffled = y_train[shuffled]
        running = 0.0
        for j in range(n_batches):
            xb = x_shuffled[j * batch_size:(j + 1) * batch_size]
            yb = y_shuffled[j * batch_size:(j + 1) * batch_size]
            acts = forward_prop(xb, parameters, total_layers, g_act)
            batch_losses.append(cross_entropy(acts[f"h{total_layers - 1}"], yb))
            running += batch_losses[-1]
            grads = backprop(acts, parameters, yb, total_layers - 1, yb.shape[1], d_act)
            parameters = gradient_descent(parameters, grads, eta)
        train_losses.append(running / n_batches)
    return parameters, train_losses, batch_losses


def one_hot_encode(labels: np.ndarray) -> np.ndarray:
    return np.identity(int(np.max(labels)) + 1)[np.asarray(labels).astype(int)]


def average_every(data, n):
    return [float(np.sum(data[i:i + n]) / len(data[i:i + n])) for i in range(0, len(data), n)]
