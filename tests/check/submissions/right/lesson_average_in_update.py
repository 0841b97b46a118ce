# backprop returns sums; the update divides by the number of rows
import numpy as np
from scipy.special import expit as sigmoid

def dsigmoid(x):
    return sigmoid(x) * (1 - sigmoid(x))

def softmax(x):
    x = x - np.max(x)
    e = np.exp(x)
    return e / np.sum(e, axis=1).reshape(-1, 1)

def forward_prop(x, parameters, h, g_act):
    d = {"h0": x}
    for i in range(h - 1):
        d["a" + str(i + 1)] = d["h" + str(i)].dot(parameters["w" + str(i + 1)]) + parameters["b" + str(i + 1)]
        d["h" + str(i + 1)] = g_act(d["a" + str(i + 1)])
    d["h" + str(h - 1)] = softmax(d["a" + str(h - 1)])
    return d

def cross_entropy(y_p, y_t):
    eps = 1e-15
    return np.average(-np.sum(np.multiply(y_t, np.log(np.clip(y_p, eps, 1 - eps))), axis=1))

def backprop(activation_output, parameters, y, k, cl, d_act):
    losses = {}
    error = activation_output["h" + str(k)] - y
    losses["dw" + str(k)] = activation_output["h" + str(k - 1)].T.dot(error)
    losses["db" + str(k)] = error.sum(axis=0)
    for i in range(k - 1, 0, -1):
        error = error.dot(parameters["w" + str(i + 1)].T) * d_act(activation_output["a" + str(i)])
        losses["dw" + str(i)] = activation_output["h" + str(i - 1)].T.dot(error)
        losses["db" + str(i)] = error.sum(axis=0)
    return losses

def gradient_descent(parameters, losses, eta, n):
    new_parameters = {}
    for key in parameters.keys():
        new_parameters[key] = parameters[key] - (eta / n) * losses["d" + key]
    return new_parameters
