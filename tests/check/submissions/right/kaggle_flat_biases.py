# bias gradients are flat; the update gives them the shape of the biases
import numpy as np

HIDDEN = 32

def init_params():
    rng = np.random.default_rng(0)
    W1 = rng.normal(size=(HIDDEN, 784)) * np.sqrt(2.0 / 784)
    b1 = np.zeros((HIDDEN, 1))
    W2 = rng.normal(size=(10, HIDDEN)) * np.sqrt(2.0 / HIDDEN)
    b2 = np.zeros((10, 1))
    return W1, b1, W2, b2

def ReLU(Z):
    return (abs(Z) + Z) / 2

def deriv_ReLU(Z):
    return np.greater_equal(Z, 0) * 1

def softmax(Z):
    exp_Z = np.exp(Z - Z.max())
    return exp_Z / exp_Z.sum(axis=0)

def forward_prop(W1, b1, W2, b2, X):
    Z1 = np.matmul(W1, X) + b1.reshape(-1, 1)
    A1 = ReLU(Z1)
    Z2 = np.matmul(W2, A1) + b2.reshape(-1, 1)
    return Z1, A1, Z2, softmax(Z2)

def one_hot(Y):
    return np.eye(10)[Y].T

def back_prop(Z1, A1, Z2, A2, W1, W2, X, Y):
    m = Y.size
    dZ2 = (A2 - one_hot(Y)) / m
    dW2 = dZ2 @ A1.T
    db2 = np.sum(dZ2, 1)
    dZ1 = (W2.T @ dZ2) * deriv_ReLU(Z1)
    dW1 = dZ1 @ X.T
    db1 = np.sum(dZ1, 1)
    return dW1, db1, dW2, db2

def update_params(W1, b1, W2, b2, dW1, db1, dW2, db2, lr):
    W1 = W1 - lr * dW1
    b1 = b1 - lr * np.reshape(db1, (b1.shape[0], 1))
    W2 = W2 - lr * dW2
    b2 = b2 - lr * np.reshape(db2, (b2.shape[0], 1))
    return [W1, b1, W2, b2]
