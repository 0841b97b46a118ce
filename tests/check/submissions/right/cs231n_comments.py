from builtins import range
import numpy as np


def affine_forward(x, w, b):
    """
    Computes the forward pass for an affine (fully-connected) layer.
    """
    out = None
    ###########################################################################
    # TODO: Implement the affine forward pass. Store the result in out.       #
    ###########################################################################
    num_train = x.shape[0]
    x_flat = x.reshape((num_train, -1))
    out = np.dot(x_flat, w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, b = cache
    dx, dw, db = None, None, None
    dx = np.dot(dout, w.T)
    dx = np.reshape(dx, x.shape)
    dw = np.dot(x.reshape(x.shape[0], -1).T, dout)
    db = np.dot(dout.T, np.ones(dout.shape[0]))
    return dx, dw, db


def relu_forward(x):
    out = None
    relu = lambda x: x * (x > 0).astype(float)
    out = relu(x)
    cache = x
    return out, cache


def relu_backward(dout, cache):
    dx, x = None, cache
    x = np.where(x > 0, 1, 0)
    dx = x * dout
    return dx


def softmax_loss(x, y):
    loss, dx = None, None
    num_train = x.shape[0]
    shifted = x - np.max(x, axis=1).reshape(-1, 1)
    soft = np.exp(shifted) / np.sum(np.exp(shifted), axis=1).reshape(-1, 1)
    loss = -np.sum(np.log(soft[range(num_train), list(y)])) / num_train
    dS = soft.copy()
    dS[range(num_train), list(y)] += -1
    dx = dS / num_train
    return loss, dx


def sgd(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    w -= config["learning_rate"] * dw
    return w, config
