"""Mistaken submissions: a right one with a passage replaced, and the function and id that must be named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RIGHT = Path(__file__).resolve().parent / "submissions" / "right"


@dataclass(frozen=True)
class Mistaken:
    """A right submission's file, the replacements, and the (function, id) pairs to be found."""

    base: str
    replacements: tuple[tuple[str, str], ...]
    expected: tuple[tuple[str, str], ...]

    @property
    def source(self) -> str:
        text = (RIGHT / f"{self.base}.py").read_text("utf-8")
        for old, new in self.replacements:
            assert old in text, f"{self.base} has no {old!r}"
            text = text.replace(old, new)
        return text

    def __str__(self) -> str:
        return f"{self.base}-{self.replacements[0][1].split(chr(10))[0].strip()[:40]}"


def one(base: str, function: str, identity: str, *replacements: tuple[str, str]) -> Mistaken:
    return Mistaken(base, replacements, ((function, identity),))


PLAIN, OUTPUTS, LOOPS, LISTS = "lesson_plain", "lesson_from_outputs", "lesson_loops", "lesson_lists"
COLUMNS, FLOAT32, IN_UPDATE = "lesson_columns", "lesson_float32", "lesson_average_in_update"
KAGGLE, FLAT = "kaggle_mended", "kaggle_flat_biases"
NIELSEN, ZIPPED = "nielsen_book", "nielsen_zipped"
CS, CS_LOOPS, COURSERA = "cs231n_usual", "cs231n_loops", "coursera_usual"

BACKWARD = [
    one(PLAIN, "backprop", "gradient_not_averaged", ("delta) / n", "delta)"), ("axis=0) / n", "axis=0)")),
    one(FLOAT32, "backprop", "gradient_not_averaged", ("    delta /= f(len(y))\n", "")),
    one(KAGGLE, "backward_prop", "gradient_not_averaged", ("1 / m * ", "")),
    one(COURSERA, "linear_backward", "gradient_not_averaged", ("1./m * np", "np")),
    one(NIELSEN, "Network.update_mini_batch", "gradient_not_averaged", ("(eta/len(mini_batch))", "eta")),
    one(PLAIN, "backprop", "gradient_not_averaged", ("axis=0) / n", "axis=0)")),
    one(CS, "softmax_loss", "gradient_not_averaged", ("    dx /= N\n", "")),
    one(PLAIN, "gradient_w", "gradient_not_averaged", (" / len(y)", "")),
    one(OUTPUTS, "backprop", "gradient_averaged_twice", ("d.sum(axis=0,", "d.mean(axis=0,")),
    one(PLAIN, "backprop", "gradient_averaged_twice", ('{k}"] - y\n', '{k}"] - y\n    delta = delta / n\n')),
    one(
        KAGGLE,
        "backward_prop",
        "gradient_averaged_twice",
        ("dZ2 = A2 - one_hot_Y", "dZ2 = (A2 - one_hot_Y) / m"),
    ),
    one(CS, "affine_backward", "gradient_averaged_twice", ("np.sum(dout, axis=0)", "np.mean(dout, axis=0)")),
    one(
        PLAIN,
        "backprop",
        "gradient_sign_flipped",
        ('activation_output[f"h{k}"] - y', 'y - activation_output[f"h{k}"]'),
    ),
    one(FLAT, "backward_prop", "gradient_sign_flipped", ("(A2 - one_hot(Y))", "(one_hot(Y) - A2)")),
    one(
        NIELSEN,
        "Network.cost_derivative",
        "gradient_sign_flipped",
        ("(output_activations-y)", "(y-output_activations)"),
    ),
    one(COURSERA, "L_model_backward", "gradient_sign_flipped", ("dAL = - (np", "dAL = (np")),
    one(
        PLAIN,
        "backprop",
        "gradient_transposed",
        ('np.dot(activation_output[f"h{i-1}"].T, delta)', 'np.dot(delta.T, activation_output[f"h{i-1}"])'),
    ),
    one(
        ZIPPED,
        "Network.backprop",
        "gradient_transposed",
        ("delta @ activations[i].T", "activations[i] @ delta.T"),
    ),
    one(
        CS,
        "affine_backward",
        "gradient_transposed",
        ("x.reshape(x.shape[0], -1).T.dot(dout)", "dout.T.dot(x.reshape(x.shape[0], -1))"),
    ),
    one(PLAIN, "backprop", "activation_derivative_missing", (' * d_act(activation_output[f"a{i-1}"])', "")),
    one(KAGGLE, "backward_prop", "activation_derivative_missing", (" * ReLU_deriv(Z1)", "")),
    one(
        NIELSEN, "Network.backprop", "activation_derivative_missing", (", y) * sigmoid_prime(zs[-1])", ", y)")
    ),
    one(NIELSEN, "Network.backprop", "activation_derivative_missing", ("delta) * sp", "delta)")),
    one(
        COURSERA,
        "linear_activation_backward",
        "activation_derivative_missing",
        ("dZ = relu_backward(dA, activation_cache)", "dZ = dA"),
    ),
    one(CS, "relu_backward", "activation_derivative_missing", ("dx = dout * (x > 0)", "dx = dout")),
    one(
        PLAIN,
        "backprop",
        "activation_derivative_wrong_argument",
        ('d_act(activation_output[f"a{i-1}"])', 'd_act(activation_output[f"h{i-1}"])'),
    ),
    one(
        LOOPS,
        "backprop",
        "activation_derivative_wrong_argument",
        ('d_act(activation_output["a" + str(i - 1)]', 'd_act(activation_output["h" + str(i - 1)]'),
    ),
    one(
        NIELSEN,
        "Network.backprop",
        "activation_derivative_wrong_argument",
        ("z = zs[-l]", "z = activations[-l]"),
    ),
    one(
        OUTPUTS,
        "dsigmoid",
        "activation_derivative_wrong_argument",
        ('d_act(cache["h%d"', 'd_act(cache["a%d"'),
        ("def dtanh(h):\n    return 1 - np.square(h)", "def dtanh(h):\n    return 1 - np.tanh(h) ** 2"),
    ),
    one(CS, "relu_backward", "activation_derivative_wrong_argument", ("(x > 0)", "(dout > 0)")),
    one(
        PLAIN,
        "backprop",
        "activation_derivative_of_wrong_layer",
        ('d_act(activation_output[f"a{i-1}"])', 'd_act(activation_output[f"a{i}"])'),
    ),
    one(NIELSEN, "Network.backprop", "activation_derivative_of_wrong_layer", ("z = zs[-l]", "z = zs[-l+1]")),
    one(
        COLUMNS,
        "backprop",
        "activation_derivative_of_wrong_layer",
        ('d_act(activation_output[f"a{i-1}"])', 'd_act(activation_output[f"a{i}"])'),
    ),
    one(
        PLAIN,
        "backprop",
        "wrong_layer_input",
        (
            'activation_output[f"h{i-1}"].T',
            'activation_output[f"a{max(i-1,1)}"].T if i > 1 else activation_output["h0"].T',
        ),
    ),
    one(KAGGLE, "backward_prop", "wrong_layer_input", ("dZ2.dot(A1.T)", "dZ2.dot(Z1.T)")),
    one(FLAT, "forward_prop", "wrong_layer_input", ("np.matmul(W2, A1)", "np.matmul(W2, Z1)")),
    one(LISTS, "backprop", "wrong_layer_input", ("act[i].T @ delta", "act[i + 1].T @ delta")),
    one(KAGGLE, "backward_prop", "bias_gradient_summed_over_everything", (", axis=1, keepdims=True)", ")")),
    one(
        PLAIN, "backprop", "bias_gradient_summed_over_everything", ("np.sum(delta, axis=0)", "np.sum(delta)")
    ),
    one(
        COURSERA,
        "linear_backward",
        "bias_gradient_summed_over_everything",
        ("np.sum(dZ, axis=1, keepdims=True)", "np.sum(dZ)"),
    ),
    one(PLAIN, "backprop", "bias_gradient_not_summed", ("np.sum(delta, axis=0)", "delta")),
    one(CS, "affine_backward", "bias_gradient_not_summed", ("np.sum(dout, axis=0)", "dout")),
    one(KAGGLE, "backward_prop", "bias_gradient_not_summed", ("axis=1, keepdims=True", "axis=0")),
    one(
        PLAIN,
        "backprop",
        "output_derivative_applied_to_cross_entropy",
        (
            '{k}"] - y\n',
            '{k}"] - y\n    delta = delta * activation_output[f"h{k}"] * (1 - activation_output[f"h{k}"])\n',
        ),
    ),
    one(
        FLOAT32,
        "backprop",
        "output_derivative_applied_to_cross_entropy",
        ("    delta /= f(len(y))\n", '    delta /= f(len(y))\n    delta = delta * d_act(a[f"a{k}"])\n'),
    ),
    one(
        KAGGLE,
        "backward_prop",
        "output_derivative_applied_to_cross_entropy",
        ("dZ2 = A2 - one_hot_Y", "dZ2 = (A2 - one_hot_Y) * A2 * (1 - A2)"),
    ),
    one(PLAIN, "backprop", "delta_uses_wrong_weights", ('parameters[f"w{i}"].T', 'parameters[f"w{i-1}"].T')),
    one(
        OUTPUTS,
        "backprop",
        "delta_uses_wrong_weights",
        ('(d @ params["w%d" % i].T)', '(d @ params["w%d" % i])'),
    ),
    one(
        ZIPPED,
        "Network.backprop",
        "delta_uses_wrong_weights",
        ("self.weights[i].T @ delta", "self.weights[i - 1].T @ delta"),
    ),
    one(
        PLAIN,
        "backprop",
        "weights_updated_before_backprop_uses_them",
        (
            "        if i > 1:\n            delta = np.dot",
            '        parameters[f"w{i}"] = parameters[f"w{i}"] - 0.1 * gradients[f"dw{i}"]\n        if i > 1:\n            delta = np.dot',
        ),
    ),
    one(
        LOOPS,
        "backprop",
        "weights_updated_before_backprop_uses_them",
        (
            "    for row in range(n):\n        delta = activation_output",
            "    for i in range(1, k + 1):\n        pass\n    for row in range(n):\n        delta = activation_output",
        ),
        ("    return grads\n\ndef gradient_descent", "    return grads\n\ndef gradient_descent"),
        (
            '            if i > 1:\n                delta = parameters["w" + str(i)] @',
            '            if i > 1:\n                parameters["w" + str(i)] = parameters["w" + str(i)] @ np.eye(len(delta))\n                delta = parameters["w" + str(i)] @',
        ),
    ),
]
# the second of "weights updated" needs the whole batch at once: see lesson_inline below
BACKWARD.pop()
BACKWARD += [
    one(
        "lesson_inline",
        "train_batch2",
        "weights_updated_before_backprop_uses_them",
        (
            '            for i in range(k, 0, -1):\n                new[f"w{i}"]',
            '            parameters = dict(parameters)\n            for i in range(k, 0, -1):\n                parameters[f"w{i}"] = new[f"w{i}"]',
        ),
        (
            "            parameters = new\n",
            '            for i in range(1, k + 1):\n                parameters[f"b{i}"] = new[f"b{i}"]\n',
        ),
        (
            '                new[f"b{i}"] = parameters[f"b{i}"] - eta * delta.sum(axis=0)\n                if i > 1:\n',
            '                new[f"b{i}"] = parameters[f"b{i}"] - eta * delta.sum(axis=0)\n                if i > 1:\n',
        ),
    ),
]

FORWARD = [
    one(
        PLAIN,
        "softmax",
        "softmax_wrong_axis",
        (
            "axis=1, keepdims=True))\n    return e / np.sum(e, axis=1, keepdims=True)",
            "axis=0, keepdims=True))\n    return e / np.sum(e, axis=0, keepdims=True)",
        ),
    ),
    one(
        KAGGLE,
        "softmax",
        "softmax_wrong_axis",
        ("np.exp(Z) / sum(np.exp(Z))", "np.exp(Z) / np.sum(np.exp(Z), axis=1, keepdims=True)"),
    ),
    one(LISTS, "softmax", "softmax_wrong_axis", ("ex / ex.sum(1)[:, None]", "ex / ex.sum(0)")),
    one(PLAIN, "softmax", "softmax_unstable", ("np.exp(x - np.max(x, axis=1, keepdims=True))", "np.exp(x)")),
    one(KAGGLE, "softmax", "softmax_unstable", ("    Z = Z - np.max(Z, axis=0)\n", "")),
    one(CS_LOOPS, "softmax_loss", "softmax_unstable", ("s = x[i] - x[i].max()", "s = x[i]")),
    one(
        PLAIN,
        "softmax",
        "softmax_normalized_over_whole_batch",
        ("np.sum(e, axis=1, keepdims=True)", "np.sum(e)"),
    ),
    one(FLAT, "softmax", "softmax_normalized_over_whole_batch", ("exp_Z.sum(axis=0)", "exp_Z.sum()")),
    one(PLAIN, "forward_prop", "forward_missing_bias", (') + parameters[f"b{i}"]', ")")),
    one(KAGGLE, "forward_prop", "forward_missing_bias", ("W2.dot(A1) + b2", "W2.dot(A1)")),
    one(CS, "affine_forward", "forward_missing_bias", (".dot(w) + b\n", ".dot(w)\n")),
    one(NIELSEN, "Network.feedforward", "forward_missing_bias", ("np.dot(w, a)+b)", "np.dot(w, a))")),
    one(PLAIN, "forward_prop", "forward_wrong_output_activation", ('softmax(out[f"a{i}"])', 'out[f"a{i}"]')),
    one(KAGGLE, "forward_prop", "forward_wrong_output_activation", ("A2 = softmax(Z2)", "A2 = ReLU(Z2)")),
    one(
        LISTS,
        "forward_prop",
        "forward_wrong_output_activation",
        ("softmax(pre[-1]) if i == len(parameters) - 1 else g_act(pre[-1])", "g_act(pre[-1])"),
    ),
    one(
        PLAIN,
        "forward_prop",
        "forward_activation_skipped_in_last_hidden",
        (
            '        else:\n            out[f"h{i}"] = g_act',
            '        elif i == h - 2:\n            out[f"h{i}"] = out[f"a{i}"]\n        else:\n            out[f"h{i}"] = g_act',
        ),
    ),
    one(KAGGLE, "forward_prop", "forward_activation_skipped_in_last_hidden", ("A1 = ReLU(Z1)", "A1 = Z1")),
    one(PLAIN, "sigmoid", "sigmoid_unstable", ("1 / (1 + np.exp(-x))", "np.exp(x) / (1 + np.exp(x))")),
    one(NIELSEN, "sigmoid", "sigmoid_unstable", ("1.0/(1.0+np.exp(-z))", "np.exp(z)/(np.exp(z)+1.0)")),
    one(PLAIN, "dsigmoid", "sigmoid_derivative_wrong", ("s * (1 - s)", "s * (1 + s)")),
    one(
        NIELSEN,
        "sigmoid_prime",
        "sigmoid_derivative_wrong",
        ("sigmoid(z)*(1-sigmoid(z))", "sigmoid(z)*(1-z)"),
    ),
    one(PLAIN, "dtanh", "tanh_derivative_wrong", ("1 - np.tanh(x) ** 2", "1 - np.tanh(x)")),
    one(COLUMNS, "dtanh", "tanh_derivative_wrong", ("1 - tanh(z) * tanh(z)", "1 + tanh(z) * tanh(z)")),
    one(PLAIN, "drelu", "relu_derivative_wrong", ("(x > 0)", "(x < 0)")),
    one(KAGGLE, "ReLU_deriv", "relu_derivative_wrong", ("return Z > 0", "return np.maximum(Z, 0)")),
    one(PLAIN, "relu", "relu_wrong", ("np.maximum(0, x)", "np.minimum(0, x)")),
    one(CS_LOOPS, "relu_forward", "relu_wrong", ("out[out < 0] = 0", "out[out < 0] *= 0.01")),
]

LOSS = [
    one(PLAIN, "cross_entropy", "cross_entropy_not_averaged", ("-np.mean(", "-np.sum(")),
    one(LOOPS, "cross_entropy", "cross_entropy_not_averaged", ("return total / len(y_p)", "return total")),
    one(COURSERA, "compute_cost", "cross_entropy_not_averaged", ("(1./m) * ", "")),
    one(
        PLAIN,
        "cross_entropy",
        "cross_entropy_averaged_over_classes",
        ("-np.mean(np.sum(y_t * np.log(y_p + 1e-12), axis=1))", "-np.mean(y_t * np.log(y_p + 1e-12))"),
    ),
    one(OUTPUTS, "cross_entropy", "cross_entropy_averaged_over_classes", ("/ len(y_p)", "/ y_p.shape[1]")),
    one(PLAIN, "cross_entropy", "cross_entropy_wrong_log", ("np.log(", "np.log2(")),
    one(COLUMNS, "cross_entropy", "cross_entropy_wrong_log", ("np.log(", "np.log10(")),
    one(PLAIN, "cross_entropy", "cross_entropy_log_of_zero", ("np.log(y_p + 1e-12)", "np.log(y_p)")),
    one(LISTS, "cross_entropy", "cross_entropy_log_of_zero", ("true + 1e-9", "true")),
    one(PLAIN, "cross_entropy", "cross_entropy_sign", ("return -np.mean", "return np.mean")),
    one(LOOPS, "cross_entropy", "cross_entropy_sign", ("total -= ", "total += ")),
]

INITIAL = [
    one(PLAIN, "glorot_init", "glorot_wrong_limit", ("np.sqrt(6 / (", "np.sqrt(2 / (")),
    one(LISTS, "glorot_init", "glorot_wrong_limit", ("np.sqrt(6.0 / (a + b))", "np.sqrt(6.0 / a)")),
    one(
        OUTPUTS,
        "glorot_init",
        "glorot_wrong_limit",
        ("(2 * rng.random((fan_in, fan_out)) - 1) * limit", "rng.random((fan_in, fan_out)) * limit"),
    ),
    one(
        PLAIN,
        "glorot_init",
        "glorot_not_uniform",
        (
            "rng.uniform(-m, m, size=(sizes[i - 1], sizes[i]))",
            "rng.normal(0, m, size=(sizes[i - 1], sizes[i]))",
        ),
    ),
    one(
        FLOAT32,
        "glorot_init",
        "glorot_not_uniform",
        ("rng.uniform(-limit, limit, (fan_in, fan_out))", "(limit * rng.standard_normal((fan_in, fan_out)))"),
    ),
    one(PLAIN, "glorot_init", "biases_not_zero", ("np.zeros(sizes[i])", "rng.uniform(-m, m, size=sizes[i])")),
    one(
        COURSERA,
        "initialize_parameters_deep",
        "biases_not_zero",
        ("np.zeros((layer_dims[l], 1))", "np.ones((layer_dims[l], 1))"),
    ),
    one(
        PLAIN,
        "glorot_init",
        "layers_initialized_alike",
        ("        m = np.sqrt", "        rng = np.random.default_rng(0)\n        m = np.sqrt"),
    ),
    one(
        COURSERA,
        "initialize_parameters_deep",
        "layers_initialized_alike",
        (
            "np.random.randn(layer_dims[l], layer_dims[l-1])*0.01",
            "np.zeros((layer_dims[l], layer_dims[l-1]))",
        ),
    ),
    one(
        PLAIN,
        "glorot_init",
        "parameters_shared_between_calls",
        ("n_outputs, rng):", "n_outputs, rng, parameters={}):"),
        ("    parameters = {}\n", ""),
    ),
]

DATA = [
    one(
        PLAIN,
        "one_hot_encode",
        "one_hot_wrong_column_order",
        ("np.unique(labels)\n    out", "np.unique(labels)[::-1]\n    out"),
    ),
    one(
        LOOPS,
        "one_hot_encode",
        "one_hot_wrong_column_order",
        (
            "sorted(set(int(label) for label in labels))",
            "list(dict.fromkeys(int(label) for label in labels))",
        ),
    ),
    one(
        PLAIN,
        "one_hot_encode",
        "one_hot_shape",
        ("    return out\n\n\ndef resize", "    return out.T\n\n\ndef resize"),
    ),
    one(KAGGLE, "one_hot", "one_hot_shape", ("return one_hot_Y.T", "return one_hot_Y")),
    one(
        PLAIN,
        "resize_and_flatten",
        "resize_wrong",
        ("picture.resize((size[1], size[0]))).flatten()", "picture.resize((size[1], size[0])))"),
    ),
    one(
        PLAIN,
        "resize_and_flatten",
        "resize_wrong",
        ("(size[1], size[0]))).flatten()", "(size[1], size[0]))).T.flatten()"),
    ),
    one(
        PLAIN,
        "average_every_200_elements",
        "average_drops_last_group",
        ("range(0, len(data), 200)", "range(0, len(data) - 199, 200)"),
    ),
    one(
        PLAIN,
        "average_every_200_elements",
        "average_drops_last_group",
        ("sum(chunk) / len(chunk)", "sum(chunk) / 200"),
    ),
]

STEPS = [
    one(PLAIN, "gradient_descent", "update_sign", ("parameters[name] - eta", "parameters[name] + eta")),
    one(
        FLAT,
        "update_params",
        "update_sign",
        ("W1 = W1 - lr", "W1 = W1 + lr"),
        ("W2 = W2 - lr", "W2 = W2 + lr"),
        ("= b1 - lr", "= b1 + lr"),
        ("= b2 - lr", "= b2 + lr"),
    ),
    one(
        PLAIN,
        "gradient_descent",
        "update_in_place",
        (
            '        new[name] = parameters[name] - eta * losses["d" + name]\n    return new',
            '        parameters[name] -= eta * losses["d" + name]\n    return parameters',
        ),
    ),
    one(
        OUTPUTS, "gradient_descent", "update_in_place", ("updated = dict(parameters)", "updated = parameters")
    ),
    one(
        PLAIN,
        "gradient_descent",
        "update_forgets_biases",
        (
            '        new[name] = parameters[name] - eta * losses["d" + name]',
            '        new[name] = parameters[name] - eta * losses["d" + name] if name[0] == "w" else parameters[name]',
        ),
    ),
    one(LISTS, "gradient_descent", "update_forgets_biases", ("b - eta * db)", "b)")),
    one(PLAIN, "gradient_descent", "learning_rate_ignored_or_squared", ("eta * losses", "losses")),
    one(KAGGLE, "update_params", "learning_rate_ignored_or_squared", ("alpha * d", "alpha * alpha * d")),
    one(PLAIN, "train_batch2", "no_shuffle", ("np.random.permutation(n)", "np.arange(n)")),
    one(
        OUTPUTS,
        "train_batch2",
        "no_shuffle",
        ("perm = rng.permutation(len(x_train))", "perm = np.arange(len(x_train))"),
    ),
    one(LISTS, "train_batch2", "no_shuffle", ("        np.random.shuffle(indices)\n", "")),
    one(
        OUTPUTS,
        "train_batch2",
        "x_and_y_shuffled_apart",
        ("ys = x_train[perm], y_train[perm]", "ys = x_train[perm], y_train[rng.permutation(len(x_train))]"),
    ),
    one(
        PLAIN,
        "train_batch2",
        "x_and_y_shuffled_apart",
        ("y_one_hot_train[rows]", "y_one_hot_train[start : start + batch_size]"),
    ),
    one(
        PLAIN,
        "train_batch2",
        "last_batch_dropped",
        ("range(0, n, batch_size)", "range(0, n - batch_size + 1, batch_size)"),
    ),
    one(
        OUTPUTS,
        "train_batch2",
        "last_batch_dropped",
        ("range(0, len(xs), batch_size)", "range(0, len(xs) // batch_size * batch_size, batch_size)"),
    ),
    one(
        PLAIN,
        "train_batch2",
        "loss_not_recorded_per_batch",
        ("            batch_losses.append(loss)\n", ""),
        (
            "        train_losses.append(np",
            "        batch_losses.append(loss)\n        train_losses.append(np",
        ),
    ),
    one(
        LISTS,
        "train_batch2",
        "loss_not_recorded_per_batch",
        ("batch_losses += here", "batch_losses.append(sum(here))"),
    ),
    one(
        PLAIN,
        "train_batch2",
        "parameters_shared_between_calls",
        ("g_act, d_act):\n    n = x_train", "g_act, d_act, batch_losses=[]):\n    n = x_train"),
        ("    batch_losses = []\n", ""),
    ),
]

GLOBALS = [
    one(
        KAGGLE,
        "backward_prop",
        "uses_globals_instead_of_arguments",
        ("    m = X.shape[1]\n", ""),
        ("import numpy as np\n", "import numpy as np\nm = 41000\n"),
    ),
    one(
        PLAIN,
        "forward_prop",
        "uses_globals_instead_of_arguments",
        ("def forward_prop(x, parameters, h", "def forward_prop(x, weights, h"),
        (
            "def glorot_init",
            "parameters = {f'{n}{i}': np.ones(1) for n in 'wb' for i in range(1, 5)}\n\n\ndef glorot_init",
        ),
    ),
    one(
        LISTS,
        "gradient_descent",
        "uses_globals_instead_of_arguments",
        ("(parameters, losses, eta):", "(parameters, losses, lr):"),
        ("import numpy as np\n", "import numpy as np\neta = 0.01\n"),
    ),
]

GLOBALS += [
    one(PLAIN, "forward_prop", "uses_globals_instead_of_arguments", ("= g_act(out", "= tanh(out")),
    one(OUTPUTS, "backprop", "uses_globals_instead_of_arguments", ("d_act(cache", "drelu(cache")),
    one(
        PLAIN,
        "forward_prop",
        "parameters_shared_between_calls",
        ('    out = {"h0": x}\n', '    out = CACHE\n    out["h0"] = x\n'),
        ("def sigmoid(x)", "CACHE = {}\n\n\ndef sigmoid(x)"),
    ),
]

OTHERS = [
    one(PLAIN, "cross_entropy", "missing", ("def cross_entropy(", "def crossentropy_loss_(")),
    one(KAGGLE, "one_hot", "missing", ("def one_hot(Y)", "def encode(Y)"), ("one_hot(Y)\n", "encode(Y)\n")),
    one(PLAIN, "gradient_descent", "raises", ('losses["d" + name]', 'losses["g" + name]')),
    one(
        CS,
        "affine_forward",
        "raises",
        (
            "cache = (x, w, b)\n    return out, cache\ndef affine_backward",
            "cache = (x, W, b)\n    return out, cache\ndef affine_backward",
        ),
    ),
    one(PLAIN, "gradient_descent", "wrong_shape", ("    return new\n", "    return list(new)\n")),
    one(CS, "affine_backward", "wrong_shape", ("dout.dot(w.T).reshape(x.shape)", "dout.dot(w.T)")),
    one(
        PLAIN,
        "gradient_descent",
        "not_finite",
        ("- eta * losses", "- eta / 0.0 * losses"),
        ("eta / 0.0", "np.float64(eta) / 0.0"),
    ),
    one(
        COURSERA,
        "update_parameters",
        "not_finite",
        ('learning_rate * grads["dW"', 'np.log(-learning_rate) * grads["dW"'),
    ),
    one(
        PLAIN,
        "backprop",
        "too_slow",
        ("    gradients = {}\n    delta", "    gradients = {}\n    while n > 0:\n        n += 0\n    delta"),
    ),
    one(
        KAGGLE, "get_accuracy", "too_slow", ("    print(predictions, Y)\n", "    while True:\n        pass\n")
    ),
    one(
        PLAIN,
        "forward_prop",
        "unexplained",
        ('np.dot(out[f"h{i-1}"], parameters[f"w{i}"])', '1.01 * np.dot(out[f"h{i-1}"], parameters[f"w{i}"])'),
    ),
    one(KAGGLE, "backward_prop", "unexplained", ("dZ2 = A2 - one_hot_Y", "dZ2 = A2 ** 1.5 - one_hot_Y")),
]

PAIRS = [
    Mistaken(
        PLAIN,
        (
            ("delta) / n", "delta)"),
            ("axis=0) / n", "axis=0)"),
            (' * d_act(activation_output[f"a{i-1}"])', ""),
        ),
        (("backprop", "gradient_not_averaged"), ("backprop", "activation_derivative_missing")),
    ),
    Mistaken(
        KAGGLE,
        ((", axis=1, keepdims=True)", ")"), (" * ReLU_deriv(Z1)", "")),
        (
            ("backward_prop", "bias_gradient_summed_over_everything"),
            ("backward_prop", "activation_derivative_missing"),
        ),
    ),
    Mistaken(
        LISTS,
        (("(act[-1] - y)", "(y - act[-1])"), ("delta.sum(0))", "delta.mean(0))")),
        (("backprop", "gradient_sign_flipped"), ("backprop", "gradient_averaged_twice")),
    ),
    Mistaken(
        NIELSEN,
        ((", y) * sigmoid_prime(zs[-1])", ", y)"), ("z = zs[-l]", "z = activations[-l]")),
        (
            ("Network.backprop", "activation_derivative_missing"),
            ("Network.backprop", "activation_derivative_wrong_argument"),
        ),
    ),
    Mistaken(
        PLAIN,
        (
            (
                "-np.mean(np.sum(y_t * np.log(y_p + 1e-12), axis=1))",
                "np.sum(np.sum(y_t * np.log(y_p + 1e-12), axis=1))",
            ),
        ),
        (("cross_entropy", "cross_entropy_sign"), ("cross_entropy", "cross_entropy_not_averaged")),
    ),
    Mistaken(
        PLAIN,
        ((') + parameters[f"b{i}"]', ")"), ('softmax(out[f"a{i}"])', 'g_act(out[f"a{i}"])')),
        (("forward_prop", "forward_missing_bias"), ("forward_prop", "forward_wrong_output_activation")),
    ),
    Mistaken(
        PLAIN,
        (("1 - np.tanh(x) ** 2", "1 - np.tanh(x)"), ("delta) / n", "delta)"), ("axis=0) / n", "axis=0)")),
        (("dtanh", "tanh_derivative_wrong"), ("backprop", "gradient_not_averaged")),
    ),
    Mistaken(
        PLAIN,
        (("np.sqrt(6 / (", "np.sqrt(3 / ("), ("np.zeros(sizes[i])", "np.ones(sizes[i])")),
        (("glorot_init", "glorot_wrong_limit"), ("glorot_init", "biases_not_zero")),
    ),
    Mistaken(
        PLAIN,
        (("parameters[name] - eta * losses", "parameters[name] + losses"),),
        (("gradient_descent", "update_sign"), ("gradient_descent", "learning_rate_ignored_or_squared")),
    ),
    Mistaken(
        PLAIN,
        (
            ("np.random.permutation(n)", "np.arange(n)"),
            ("range(0, n, batch_size)", "range(0, n - batch_size + 1, batch_size)"),
        ),
        (("train_batch2", "no_shuffle"), ("train_batch2", "last_batch_dropped")),
    ),
]

MISTAKEN = [*BACKWARD, *FORWARD, *LOSS, *INITIAL, *DATA, *STEPS, *GLOBALS, *OTHERS]
