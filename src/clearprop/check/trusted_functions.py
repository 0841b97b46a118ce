"""Right functions with NumPy alone, given to a submission's process as text in place of a wrong helper."""
# This text runs in the submission's process: it must import nothing but NumPy.
# mypy: ignore-errors

import numpy as np


def _sigmoid(x):
    return np.exp(-np.logaddexp(0, -np.asarray(x, dtype=float)))


_FORMS = {
    "sigmoid": (_sigmoid, lambda a: _sigmoid(a) * (1 - _sigmoid(a)), lambda h: h * (1 - h)),
    "tanh": (np.tanh, lambda a: 1 - np.tanh(a) ** 2, lambda h: 1 - h**2),
    "relu": (lambda x: np.maximum(x, 0), lambda a: (a > 0) * 1.0, lambda h: (h > 0) * 1.0),
}


def elementwise(of, form):
    """Return an activation ("value") or its derivative ("of_input", "of_output") as a function of its own."""
    chosen = _FORMS[of][("value", "of_input", "of_output").index(form)]

    def function(x):
        return chosen(np.asarray(x))

    return function


def by_position(function):
    """Return the function, which takes keyword arguments of any name in their order."""

    def called(*arguments, **keywords):
        return function(*arguments, *keywords.values())

    return called


def make_activation(of, cached, **_):
    """Return the activation, with its input as the cache if asked for."""
    value = elementwise(of, "value")
    return (lambda x: (value(x), x)) if cached else (lambda x: value(x))


def make_derivative(of, of_output, **_):
    """Return the derivative, given the pre-activation or the output."""
    return elementwise(of, "of_output" if of_output else "of_input")


def make_softmax(columns, **_):
    """Return softmax over each row, or over each column."""

    def softmax(x):
        x = np.asarray(x, dtype=float)
        axis = 0 if columns and x.ndim > 1 else -1
        powers = np.exp(x - x.max(axis=axis, keepdims=True))
        return powers / powers.sum(axis=axis, keepdims=True)

    return softmax


def make_cost_derivative(**_):
    """Return the derivative of half the squared error."""
    return lambda output, y: np.asarray(output) - np.asarray(y)


def make_one_hot(columns, **_):
    """Return one-hot rows, or columns, for as many classes as the highest label asks for."""

    def one_hot(labels, classes=None, *rest):
        labels = np.asarray(labels).astype(int).ravel()
        encoded = np.eye(int(classes or labels.max() + 1))[labels]
        return encoded.T if columns else encoded

    return one_hot


def make_loss(columns, **_):
    """Return the mean cross-entropy of probabilities and a one-hot truth."""

    def cross_entropy(p, truth, *rest):
        p, truth = np.asarray(p, dtype=float), np.asarray(truth)
        if truth.ndim == 1:
            truth = np.eye(p.shape[0 if columns else 1])[truth.astype(int)]
            truth = truth.T if columns else truth
        return float(-np.sum(truth * np.log(np.maximum(p, 1e-300))) / p.shape[1 if columns else 0])

    return cross_entropy


def make_average(group, **_):
    """Return the means of groups of so many values, the last one shorter."""

    def average(data, size=group):
        return [float(np.mean(data[start : start + size])) for start in range(0, len(data), size)]

    return average


def make_affine_forward(columns, transposed, cached, **_):
    """Return x w + b, or w x + b for columns, with the cache (x, w, b) if asked for."""

    def forward(x, w, b):
        out = w @ x + np.reshape(b, (-1, 1)) if columns else np.reshape(x, (len(x), -1)) @ w + np.ravel(b)
        return (out, (x, w, b)) if cached else out

    return forward


def make_affine_backward(columns, mean, bias, **_):
    """Return the gradients (dx, dw, db) of x w + b."""

    def backward(dout, cache):
        x, w, b = cache
        n = (dout.shape[1] if columns else len(dout)) if mean else 1
        if columns:
            return w.T @ dout, dout @ x.T / n, np.sum(dout, axis=1, keepdims=True) / n
        rows = np.reshape(x, (len(x), -1))
        return np.reshape(dout @ w.T, x.shape), rows.T @ dout / n, np.reshape(dout.sum(0) / n, np.shape(b))

    return backward


def make_activation_backward(of, **_):
    """Return dout times the activation's derivative at the cached input."""
    slope = elementwise(of, "of_input")

    def backward(dout, cache):
        return dout * slope(cache)

    return backward


def make_affine_activation_forward(of, hidden, **settings):
    """Return an affine layer with its activation, and both caches."""
    affine = make_affine_forward(**{**settings, "cached": True})

    def forward(x, w, b, name=None):
        a, cache = affine(x, w, b)
        return elementwise(of or name or hidden, "value")(a), (cache, a)

    return forward


def make_affine_activation_backward(of, hidden, **settings):
    """Return the gradients of an affine layer with its activation."""
    affine = make_affine_backward(**settings)

    def backward(dout, cache, name=None):
        inner, a = cache
        return affine(dout * elementwise(of or name or hidden, "of_input")(a), inner)

    return backward


def make_forward(columns, output="softmax", **settings):
    """Return the forward pass of the lesson: a dict of h0, a1, h1, ..."""
    last = make_softmax(columns)

    def forward_prop(x, parameters, h, g_act):
        found = {"h0": x}
        for i in range(1, h):
            a = found[f"h{i - 1}"] @ parameters[f"w{i}"] + parameters[f"b{i}"]
            found[f"a{i}"], found[f"h{i}"] = a, last(a) if i == h - 1 else g_act(a)
        return found

    return forward_prop


def make_backward(**_):
    """Return the backward pass of the lesson: a dict of dw1, db1, ..."""

    def backprop(activation_output, parameters, y, k, cl, d_act):
        delta = (activation_output[f"h{k}"] - y) / len(y)
        found = {}
        for i in range(k, 0, -1):
            found[f"dw{i}"] = activation_output[f"h{i - 1}"].T @ delta
            found[f"db{i}"] = delta.sum(axis=0)
            if i > 1:
                delta = (delta @ parameters[f"w{i}"].T) * d_act(activation_output[f"a{i - 1}"])
        return found

    return backprop


def make_update(**_):
    """Return the update of the lesson, which leaves its arguments as they are."""

    def gradient_descent(parameters, gradients, eta):
        return {name: value - eta * gradients[f"d{name}"] for name, value in parameters.items()}

    return gradient_descent
