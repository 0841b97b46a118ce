import numpy as np

def init_params():
    W1 = np.random.uniform(-0.5, 0.5, (20, 784))
    b1 = np.zeros((20, 1))
    W2 = np.random.uniform(-0.5, 0.5, (10, 20))
    b2 = np.zeros((10, 1))
    return W1, b1, W2, b2

def ReLU(Z):
    return np.maximum(0, Z)

def derivative_ReLU(Z):
    dZ = np.zeros(Z.shape)
    for i in range(Z.shape[0]):
        for j in range(Z.shape[1]):
            if Z[i, j] > 0:
                dZ[i, j] = 1.0
    return dZ

def softmax(Z):
    A = np.zeros_like(Z)
    for j in range(Z.shape[1]):
        column = np.exp(Z[:, j] - Z[:, j].max())
        A[:, j] = column / column.sum()
    return A

def forward_prop(W1, b1, W2, b2, X):
    Z1 = np.dot(W1, X) + b1
    A1 = ReLU(Z1)
    Z2 = np.dot(W2, A1) + b2
    A2 = softmax(Z2)
    return Z1, A1, Z2, A2

def one_hot(Y):
    result = np.zeros((Y.max() + 1, len(Y)))
    for j, y in enumerate(Y):
        result[y][j] = 1
    return result

def backward_prop(Z1, A1, Z2, A2, W1, W2, X, Y):
    m = len(Y)
    T = one_hot(Y)
    dW1, db1 = np.zeros(W1.shape), np.zeros((W1.shape[0], 1))
    dW2, db2 = np.zeros(W2.shape), np.zeros((W2.shape[0], 1))
    for j in range(m):
        d2 = A2[:, [j]] - T[:, [j]]
        d1 = W2.T.dot(d2) * derivative_ReLU(Z1[:, [j]])
        dW2 += d2.dot(A1[:, [j]].T) / m
        db2 += d2 / m
        dW1 += d1.dot(X[:, [j]].T) / m
        db1 += d1 / m
    return dW1, db1, dW2, db2

def update_params(W1, b1, W2, b2, dW1, db1, dW2, db2, alpha):
    new = []
    for p, d in zip((W1, b1, W2, b2), (dW1, db1, dW2, db2)):
        new.append(p + (-alpha) * d)
    return tuple(new)
