import numpy as np

def affine_forward(x, w, b):
    n = x.shape[0]
    flat = np.reshape(x, (n, np.prod(x.shape[1:])))
    return flat @ w + b[np.newaxis, :], (x, w, b)

def affine_backward(dout, cache):
    x, w, b = cache
    n = x.shape[0]
    flat = x.reshape(n, -1)
    dw = np.zeros_like(w)
    db = np.zeros_like(b)
    for i in range(n):
        dw += np.outer(flat[i], dout[i])
        db += dout[i]
    dx = np.array([w @ dout[i] for i in range(n)]).reshape(x.shape)
    return dx, dw, db

def relu_forward(x):
    out = x.copy()
    out[out < 0] = 0
    return out, x

def relu_backward(dout, cache):
    dx = np.array(dout)
    dx[cache <= 0] = 0
    return dx

def softmax_loss(x, y):
    N, C = x.shape
    loss, dx = 0.0, np.zeros_like(x)
    for i in range(N):
        s = x[i] - x[i].max()
        p = np.exp(s) / np.exp(s).sum()
        loss += -np.log(p[y[i]])
        dx[i] = p
        dx[i, y[i]] -= 1
    return loss / N, dx / N
