import numpy as np
import copy
from dnn_utils import sigmoid as _unused_sigmoid, relu as _unused_relu
def sigmoid(Z): return np.reciprocal(1 + np.exp(-Z)), Z
def relu(Z): return np.maximum(0, Z), Z
def relu_backward(dA, cache): return np.multiply(dA, np.where(cache > 0, 1, 0))
def sigmoid_backward(dA, cache): return dA * sigmoid(cache)[0] * (1 - sigmoid(cache)[0])
def initialize_parameters_deep(layer_dims):
    np.random.seed(1)
    L = len(layer_dims)
    return {k: v for l in range(1, L) for k, v in (
        (f"W{l}", np.random.randn(layer_dims[l], layer_dims[l - 1]) * np.sqrt(2 / layer_dims[l - 1])),
        (f"b{l}", np.zeros(shape=(layer_dims[l], 1))))}
def linear_forward(A, W, b): return W @ A + b, (A, W, b)
def linear_activation_forward(A_prev, W, b, activation):
    Z, linear_cache = linear_forward(A_prev, W, b)
    A, activation_cache = sigmoid(Z) if activation == "sigmoid" else relu(Z)
    return A, (linear_cache, activation_cache)
def L_model_forward(X, parameters):
    caches, L = [], len(parameters) // 2
    for l in range(1, L):
        X, c = linear_activation_forward(X, parameters[f"W{l}"], parameters[f"b{l}"], "relu")
        caches += [c]
    AL, c = linear_activation_forward(X, parameters[f"W{L}"], parameters[f"b{L}"], "sigmoid")
    return AL, caches + [c]
def compute_cost(AL, Y):
    return float(-np.mean(Y * np.log(AL) + (1 - Y) * np.log(1 - AL)))
def linear_backward(dZ, cache):
    A_prev, W, b = cache
    m = A_prev.shape[1]
    return W.T @ dZ, (dZ @ A_prev.T) / m, dZ.sum(axis=1).reshape(b.shape) / m
def linear_activation_backward(dA, cache, activation):
    return linear_backward((sigmoid_backward if activation == "sigmoid" else relu_backward)(dA, cache[1]), cache[0])
def L_model_backward(AL, Y, caches):
    L, grads = len(caches), {}
    dA = -Y / AL + (1 - Y) / (1 - AL)
    for l in range(L, 0, -1):
        dA, grads[f"dW{l}"], grads[f"db{l}"] = linear_activation_backward(dA, caches[l - 1], "sigmoid" if l == L else "relu")
        grads[f"dA{l - 1}"] = dA
    return grads
def update_parameters(params, grads, learning_rate):
    parameters = copy.deepcopy(params)
    for name in parameters:
        parameters[name] -= learning_rate * grads["d" + name]
    return parameters
