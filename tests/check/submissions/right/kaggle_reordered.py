import numpy as np
import pandas as pd
import matplotlib.pyplot as plt

data = np.array(pd.read_csv("train.csv"))
m, n = data.shape
np.random.shuffle(data)
X_train = data[1000:m].T[1:n] / 255.
Y_train = data[1000:m].T[0]

def init_params(hidden=64):
    W1 = np.random.randn(hidden, 784) * 0.01
    b1 = np.zeros((hidden, 1))
    W2 = np.random.randn(10, hidden) * 0.01
    b2 = np.zeros((10, 1))
    return W1, b1, W2, b2

def relu(Z):
    return np.clip(Z, 0, None)

def relu_deriv(Z):
    return (Z > 0).astype(int)

def softmax(Z):
    e = np.exp(Z - np.max(Z, axis=0, keepdims=True))
    return e / np.sum(e, axis=0, keepdims=True)

def forward_propagation(X, W1, b1, W2, b2):
    Z1 = W1 @ X + b1
    A1 = relu(Z1)
    Z2 = W2 @ A1 + b2
    A2 = softmax(Z2)
    return Z1, A1, Z2, A2

def one_hot(Y, classes=10):
    out = np.zeros((classes, Y.size))
    out[Y, np.arange(Y.size)] = 1
    return out

def backward_propagation(Z1, A1, Z2, A2, W2, X, Y):
    samples = X.shape[1]
    dZ2 = A2 - one_hot(Y)
    dW2 = dZ2 @ A1.T / samples
    db2 = dZ2.mean(axis=1, keepdims=True)
    dZ1 = (W2.T @ dZ2) * relu_deriv(Z1)
    dW1 = dZ1 @ X.T / samples
    db1 = dZ1.mean(axis=1, keepdims=True)
    return dW1, db1, dW2, db2

def update_params(W1, b1, W2, b2, dW1, db1, dW2, db2, alpha):
    return W1 - alpha * dW1, b1 - alpha * db1, W2 - alpha * dW2, b2 - alpha * db2

def get_predictions(A2):
    return A2.argmax(axis=0)

def get_accuracy(predictions, Y):
    return np.mean(predictions == Y)

W1, b1, W2, b2 = init_params()
plt.plot([1, 2, 3])
plt.show()
