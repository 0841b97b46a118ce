import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def dsigmoid(a):
    s = sigmoid(a)
    return s * (1 - s)


def tanh(x):
    return np.tanh(x)


def dtanh(x):
    return 1 - np.tanh(x) ** 2


def relu(x):
    return np.maximum(0, x)


def drelu(x):
    return (x > 0).astype(float)


def softmax(x):
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def glorot_init(n_inputs, neurons, n_outputs, rng):
    sizes = [n_inputs] + list(neurons) + [n_outputs]
    parameters = {}
    for i in range(1, len(sizes)):
        m = np.sqrt(6 / (sizes[i - 1] + sizes[i]))
        parameters[f"w{i}"] = rng.uniform(-m, m, size=(sizes[i - 1], sizes[i]))
        parameters[f"b{i}"] = np.zeros(sizes[i])
    return parameters


def forward_prop(x, parameters, h, g_act):
    out = {"h0": x}
    for i in range(1, h):
        out[f"a{i}"] = np.dot(out[f"h{i-1}"], parameters[f"w{i}"]) + parameters[f"b{i}"]
        if i == h - 1:
            out[f"h{i}"] = softmax(out[f"a{i}"])
        else:
            out[f"h{i}"] = g_act(out[f"a{i}"])
    return out


def cross_entropy(y_p, y_t):
    return -np.mean(np.sum(y_t * np.log(y_p + 1e-12), axis=1))


def backprop(activation_output, parameters, y, k, cl, d_act):
    n = y.shape[0]
    gradients = {}
    delta = activation_output[f"h{k}"] - y
    for i in range(k, 0, -1):
        gradients[f"dw{i}"] = np.dot(activation_output[f"h{i-1}"].T, delta) / n
        gradients[f"db{i}"] = np.sum(delta, axis=0) / n
        if i > 1:
            delta = np.dot(delta, parameters[f"w{i}"].T) * d_act(activation_output[f"a{i-1}"])
    return gradients


def gradient_descent(parameters, losses, eta):
    new = {}
    for name in parameters:
        new[name] = parameters[name] - eta * losses["d" + name]
    return new


def train_batch2(x_train, y_one_hot_train, parameters, total_layers, epochs, eta, batch_size, g_act, d_act):
    n = x_train.shape[0]
    train_losses = []
    batch_losses = []
    for epoch in range(epochs):
        order = np.random.permutation(n)
        losses = []
        for start in range(0, n, batch_size):
            rows = order[start : start + batch_size]
            x, y = x_train[rows], y_one_hot_train[rows]
            out = forward_prop(x, parameters, total_layers, g_act)
            loss = cross_entropy(out[f"h{total_layers-1}"], y)
            gradients = backprop(out, parameters, y, total_layers - 1, y.shape[1], d_act)
            parameters = gradient_descent(parameters, gradients, eta)
            batch_losses.append(loss)
            losses.append(loss)
        train_losses.append(np.mean(losses))
    return parameters, train_losses, batch_losses


def gradient_w(x, w, b, y):
    p = sigmoid(x @ w + b)
    delta = (p - y) * p * (1 - p)
    return x.T @ delta / len(y)


def gradient_b(x, w, b, y):
    p = sigmoid(x @ w + b)
    return np.mean((p - y) * p * (1 - p))


def one_hot_encode(labels):
    classes = np.unique(labels)
    out = np.zeros((len(labels), len(classes)))
    for i, label in enumerate(labels):
        out[i, np.where(classes == label)[0][0]] = 1
    return out


def resize_and_flatten(images, size=(28, 28)):
    from PIL import Image

    rows = []
    for image in images:
        picture = Image.fromarray(np.asarray(image, dtype=np.float32))
        rows.append(np.array(picture.resize((size[1], size[0]))).flatten())
    return np.array(rows)


def average_every_200_elements(data):
    means = []
    for i in range(0, len(data), 200):
        chunk = data[i : i + 200]
        means.append(sum(chunk) / len(chunk))
    return means
