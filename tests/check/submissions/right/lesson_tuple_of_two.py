# forward_prop returns the prediction and a cache; backprop names its arguments in another order
import numpy as np

def relu(x):
    return np.maximum(x, 0)

def drelu(x):
    return np.where(x > 0, 1.0, 0.0)

def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

def glorot_init(n_inputs, neurons, n_outputs, rng):
    parameters = {}
    sizes = [n_inputs] + list(neurons) + [n_outputs]
    for i in range(len(sizes) - 1):
        bound = np.sqrt(6.0 / (sizes[i] + sizes[i + 1]))
        parameters["w" + str(i + 1)] = bound * rng.uniform(-1, 1, (sizes[i], sizes[i + 1]))
        parameters["b" + str(i + 1)] = np.zeros(sizes[i + 1])
    return parameters

def forward_prop(x, parameters, h, g_act):
    pre = []
    post = [x]
    for i in range(1, h):
        pre.append(post[-1] @ parameters["w" + str(i)] + parameters["b" + str(i)])
        post.append(g_act(pre[-1]) if i < h - 1 else softmax(pre[-1]))
    return post[-1], (pre, post)

def cross_entropy(y_pred, y_true):
    return -(y_true * np.log(y_pred + 1e-9)).sum(axis=1).mean()

def backprop(output, parameters, y, k, cl, d_act):
    prediction, (pre, post) = output
    delta = (prediction - y) / y.shape[0]
    gradients = {}
    for i in range(k, 0, -1):
        gradients["dw" + str(i)] = post[i - 1].T.dot(delta)
        gradients["db" + str(i)] = delta.sum(axis=0)
        if i > 1:
            delta = delta.dot(parameters["w" + str(i)].T) * d_act(pre[i - 2])
    return gradients

def gradient_descent(gradients, parameters, eta):
    return {name: parameters[name] - eta * gradients["d" + name] for name in parameters}
