# written for 784-500-250-100-10 alone, as in the study
import numpy as np

def tanh(x):
    return np.tanh(x)

def dtanh(x):
    return 1 - np.tanh(x)**2

def softmax(x):
    x = x - np.max(x, axis=1)[:, np.newaxis]
    return np.exp(x) / np.sum(np.exp(x), axis=1)[:, np.newaxis]

def forward_prop(x, parameters, h, g_act):
    a1 = x @ parameters["w1"] + parameters["b1"]
    h1 = g_act(a1)
    a2 = h1 @ parameters["w2"] + parameters["b2"]
    h2 = g_act(a2)
    a3 = h2 @ parameters["w3"] + parameters["b3"]
    h3 = g_act(a3)
    a4 = h3 @ parameters["w4"] + parameters["b4"]
    h4 = softmax(a4)
    return {"h0": x, "a1": a1, "h1": h1, "a2": a2, "h2": h2, "a3": a3, "h3": h3, "a4": a4, "h4": h4}

def cross_entropy(y_p, y_t):
    loss = 0
    for i in range(y_p.shape[0]):
        for j in range(y_p.shape[1]):
            if y_t[i, j] == 1:
                loss += -np.log(max(y_p[i, j], 1e-10))
    return loss / y_p.shape[0]

def backprop(activation_output, parameters, y, k, cl, d_act):
    o = activation_output
    n = y.shape[0]
    d4 = (o["h4"] - y) / n
    d3 = (d4 @ parameters["w4"].T) * d_act(o["a3"])
    d2 = (d3 @ parameters["w3"].T) * d_act(o["a2"])
    d1 = (d2 @ parameters["w2"].T) * d_act(o["a1"])
    return {
        "dw4": o["h3"].T @ d4, "db4": d4.sum(0),
        "dw3": o["h2"].T @ d3, "db3": d3.sum(0),
        "dw2": o["h1"].T @ d2, "db2": d2.sum(0),
        "dw1": o["h0"].T @ d1, "db1": d1.sum(0),
    }

def gradient_descent(parameters, losses, eta):
    p = parameters.copy()
    for i in (1, 2, 3, 4):
        p["w%i" % i] = p["w%i" % i] - losses["dw%i" % i] * eta
        p["b%i" % i] = p["b%i" % i] - losses["db%i" % i] * eta
    return p

def train_batch2(x_train, y_one_hot_train, parameters, total_layers, epochs, eta, batch_size, g_act, d_act):
    train_losses, batch_losses = [], []
    n = len(x_train)
    for epoch in range(epochs):
        idx = list(range(n))
        np.random.shuffle(idx)
        i = 0
        total = 0
        while i < n:
            chosen = idx[i:i + batch_size]
            out = forward_prop(x_train[chosen], parameters, total_layers, g_act)
            y = y_one_hot_train[chosen]
            loss = cross_entropy(out["h4"], y)
            batch_losses.append(loss)
            total += loss * len(chosen)
            parameters = gradient_descent(parameters, backprop(out, parameters, y, 4, 10, d_act), eta)
            i += batch_size
        train_losses.append(total / n)
    return parameters, train_losses, batch_losses
