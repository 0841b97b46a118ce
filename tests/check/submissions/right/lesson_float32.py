import numpy as np

f = np.float32

def tanh(x):
    return np.tanh(x, dtype=f)

def dtanh(x):
    t = np.tanh(np.asarray(x, dtype=f))
    return f(1) - t * t

def softmax(x):
    x = np.asarray(x, dtype=f)
    x = x - x.max(axis=1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=1, keepdims=True)
    return x

def glorot_init(n_inputs, neurons, n_outputs, rng):
    parameters, fan_in, i = {}, n_inputs, 0
    for fan_out in [*neurons, n_outputs]:
        i += 1
        limit = np.sqrt(6 / (fan_in + fan_out))
        parameters[f"w{i}"] = rng.uniform(-limit, limit, (fan_in, fan_out)).astype(f)
        parameters[f"b{i}"] = np.zeros(fan_out, dtype=f)
        fan_in = fan_out
    return parameters

def forward_prop(x, parameters, h, g_act):
    out = {"h0": np.asarray(x, dtype=f)}
    for i in range(1, h):
        w, b = (np.asarray(parameters[n + str(i)], dtype=f) for n in "wb")
        out[f"a{i}"] = out[f"h{i - 1}"] @ w + b
        out[f"h{i}"] = softmax(out[f"a{i}"].copy()) if i == h - 1 else g_act(out[f"a{i}"])
    return out

def cross_entropy(y_p, y_t):
    y_p = np.asarray(y_p, dtype=f)
    return float(-np.einsum("ij,ij->", np.asarray(y_t, dtype=f), np.log(y_p + f(1e-7))) / len(y_p))

def backprop(activation_output, parameters, y, k, cl, d_act):
    a = {name: np.asarray(value, dtype=f) for name, value in activation_output.items()}
    delta = a[f"h{k}"] - np.asarray(y, dtype=f)
    delta /= f(len(y))
    out = {}
    i = k
    while i >= 1:
        out[f"dw{i}"] = np.einsum("ni,nj->ij", a[f"h{i - 1}"], delta)
        out[f"db{i}"] = np.einsum("nj->j", delta)
        if i > 1:
            delta = np.einsum("nj,ij->ni", delta, np.asarray(parameters[f"w{i}"], dtype=f))
            delta = delta * np.asarray(d_act(a[f"a{i - 1}"]), dtype=f)
        i -= 1
    return out

def gradient_descent(parameters, losses, eta):
    return {n: (np.asarray(v, dtype=f) - f(eta) * losses["d" + n]).astype(f) for n, v in parameters.items()}

def one_hot_encode(labels):
    classes, column = np.unique(labels, return_inverse=True)
    out = np.zeros((len(labels), len(classes)), dtype=f)
    out[np.arange(len(labels)), column] = 1
    return out
