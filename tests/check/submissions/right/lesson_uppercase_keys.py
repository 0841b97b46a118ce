import numpy as np
def sigmoid(z): return 1/(1+np.exp(-z))
def dsigmoid(z):
    e = np.exp(-np.abs(z))
    return e / (1 + e)**2
def softmax(z):
    z = z - np.max(z, axis=1, keepdims=True)
    s = np.exp(z)
    return s / np.sum(s, axis=1, keepdims=True)
def glorot_init(n_inputs, neurons, n_outputs, rng):
    layers = [n_inputs] + list(neurons) + [n_outputs]
    params = {}
    for l in range(1, len(layers)):
        lim = np.sqrt(6./(layers[l-1]+layers[l]))
        params['W'+str(l)] = rng.uniform(-lim, lim, size=(layers[l-1], layers[l]))
        params['b'+str(l)] = np.zeros((1, layers[l]))
    return params
def forward_prop(x, params, h, g_act):
    cache = {'A0': x}
    for l in range(1, h):
        cache['Z'+str(l)] = np.dot(cache['A'+str(l-1)], params['W'+str(l)]) + params['b'+str(l)]
        cache['A'+str(l)] = softmax(cache['Z'+str(l)]) if l == h-1 else g_act(cache['Z'+str(l)])
    return cache
def cross_entropy(y_p, y_t):
    m = y_t.shape[0]
    return -1/m * np.sum(y_t * np.log(y_p + 1e-8))
def backprop(cache, params, y, k, cl, d_act):
    m = y.shape[0]
    grads = {}
    dZ = cache['A'+str(k)] - y
    for l in range(k, 0, -1):
        grads['dW'+str(l)] = 1/m * np.dot(cache['A'+str(l-1)].T, dZ)
        grads['db'+str(l)] = 1/m * np.sum(dZ, axis=0, keepdims=True)
        if l > 1:
            dA = np.dot(dZ, params['W'+str(l)].T)
            dZ = dA * d_act(cache['Z'+str(l-1)])
    return grads
def gradient_descent(params, grads, eta):
    new = {}
    for l in range(1, len(params)//2 + 1):
        new['W'+str(l)] = params['W'+str(l)] - eta*grads['dW'+str(l)]
        new['b'+str(l)] = params['b'+str(l)] - eta*grads['db'+str(l)]
    return new
