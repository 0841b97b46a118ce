"""A multilayer perceptron from scratch: the whole network in six lines, then a function for each.

    a_i = h_{i-1} w_i + b_i,  h_i = g(a_i)        forward, layer 1 to k, from the inputs h_0 = x
    p = h_k = softmax(a_k)                        the output layer gives probabilities
    L = -1/n Σ t ln p                             the loss: cross-entropy with the truth t
    δ_k = (p - t) / n,  δ_{i-1} = (δ_i w_iᵀ) ⊙ g'(a_{i-1})        backward; δ_i is ∂L/∂a_i
    ∂L/∂w_i = h_{i-1}ᵀ δ_i,  ∂L/∂b_i = Σ_rows δ_i                 the gradients
    w ← w - η ∂L/∂w,  b ← b - η ∂L/∂b                             one step of gradient descent

A batch is an array ``(n, features)``, one example a row. ``parameters`` is a dict ``w1, b1, ..., wk, bk``,
of shapes (fan_in, fan_out) and (fan_out,). The network 784-500-250-100-10 has ``h = total_layers = 5``
layers, input and output included, and ``k = 4`` without the output. float32 in gives float32 out, and
float64 gives float64.

The file needs only NumPy, SciPy and Pillow, so it can be handed out on its own. The books named below:
Bishop, "Pattern Recognition and Machine Learning" (2006); Goodfellow, Bengio and Courville, "Deep Learning"
(2016); Nielsen, "Neural Networks and Deep Learning" (2015).
"""
# A function given as an argument (g_act, d_act) has no type here: naming one would take another import.
# mypy: allow-untyped-defs, allow-incomplete-defs

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy.special import expit

Array = NDArray[np.floating]
Pixels = NDArray[np.number]


# ---- Activations and their derivatives, both taken at the pre-activation a ---------------------------


def sigmoid(x: Array) -> Array:
    """σ(x) = 1 / (1 + exp(-x)), between 0 and 1 (Bishop, equation 4.59).

    Parameters
    ----------
    x : ndarray, any shape

    Returns
    -------
    ndarray, the shape of x
    """
    # SciPy's expit is this formula, safe against overflow
    return expit(x)


def dsigmoid(a: Array) -> Array:
    """σ'(a) = σ(a) (1 - σ(a)), at most 1/4 (Bishop, equation 4.88).

    Parameters
    ----------
    a : ndarray, any shape
        The pre-activation, not the output σ(a).

    Returns
    -------
    ndarray, the shape of a
    """
    output = sigmoid(a)
    return output * (1 - output)


def tanh(x: Array) -> Array:
    """tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x)), between -1 and 1 (Bishop, equation 5.59).

    Parameters
    ----------
    x : ndarray, any shape

    Returns
    -------
    ndarray, the shape of x
    """
    return np.tanh(x)


def dtanh(x: Array) -> Array:
    """tanh'(x) = 1 - tanh(x)², at most 1 (Bishop, equation 5.60).

    Parameters
    ----------
    x : ndarray, any shape
        The pre-activation, not the output tanh(x).

    Returns
    -------
    ndarray, the shape of x
    """
    return 1 - tanh(x) ** 2


def relu(x: Array) -> Array:
    """relu(x) = max(0, x) (Nair and Hinton 2010).

    Parameters
    ----------
    x : ndarray, any shape

    Returns
    -------
    ndarray, the shape of x
    """
    return np.maximum(0, x)


def drelu(x: Array) -> Array:
    """relu'(x) = 1 where x > 0, else 0, also at the kink x = 0 (Goodfellow, section 6.3).

    Parameters
    ----------
    x : ndarray, any shape
        The pre-activation.

    Returns
    -------
    ndarray, the shape of x
    """
    return np.heaviside(x, 0)


def softmax(x: Array) -> Array:
    """softmax(x)_j = exp(x_j) / Σ_l exp(x_l): any numbers become probabilities (Goodfellow, section 6.2.2.3).

    Parameters
    ----------
    x : ndarray (n, classes) or (classes,)

    Returns
    -------
    ndarray, the shape of x
        Every row sums to 1. Where its largest number is infinite, the classes that have it share the
        probability equally: the limit. A NaN makes its row NaN.
    """
    x = _as_floats(x)
    largest = np.max(x, axis=-1, keepdims=True)
    # subtracting the largest changes nothing, since it cancels, and every exponential is at most 1. A
    # difference that overflows is -∞, whose exponential 0 is right; ∞ - ∞ would be NaN, but is 0 here
    with np.errstate(over="ignore", invalid="ignore"):
        exponentials: Array = np.exp(np.where(x == largest, 0, x - largest))
    total: Array = np.sum(exponentials, axis=-1, keepdims=True)
    return exponentials / total


def _as_floats(x: Array) -> Array:
    """Return x as an array of floats; float32 and float64 stay what they are, integers are converted."""
    x = np.asarray(x)
    return x.astype(np.result_type(x.dtype, np.float32), copy=False)


# ---- The network: its first weights, forward, the loss, backward -------------------------------------


def glorot_init(
    n_inputs: int, neurons: list[int], n_outputs: int, rng: np.random.Generator
) -> dict[str, Array]:
    """Draw each weight from U(-M, M), M = √(6 / (fan_in + fan_out)), and set each bias to 0.

    With this M, signals keep about the same variance forward, and gradients backward (Glorot and Bengio
    2010, equation 16).

    Parameters
    ----------
    n_inputs : int
    neurons : list of int
        Sizes of the hidden layers: ``[500, 250, 100]``.
    n_outputs : int
    rng : numpy.random.Generator

    Returns
    -------
    dict of ndarray of float64
        ``w1, b1, w2, b2, ...``, of shapes (fan_in, fan_out) and (fan_out,).
    """
    sizes = [n_inputs, *neurons, n_outputs]
    parameters: dict[str, Array] = {}
    for i in range(1, len(sizes)):
        fan_in, fan_out = sizes[i - 1], sizes[i]
        bound = np.sqrt(6 / (fan_in + fan_out))
        parameters[f"w{i}"] = rng.uniform(-bound, bound, size=(fan_in, fan_out))
        parameters[f"b{i}"] = np.zeros(fan_out)
    return parameters


def forward_prop(x: Array, parameters: dict[str, Array], h: int, g_act) -> dict[str, Array]:
    """a_i = h_{i-1} w_i + b_i; h_i = g(a_i), but softmax(a_i) in the last layer (Goodfellow, algorithm 6.3).

    Parameters
    ----------
    x : ndarray (n, features)
        Small numbers, such as pixels divided by 255.
    parameters : dict of ndarray
        ``w1, b1, ...``, as from :func:`glorot_init`.
    h : int
        Number of layers, input and output included.
    g_act : function
        The activation of the hidden layers: :func:`sigmoid`, :func:`tanh` or :func:`relu`.

    Returns
    -------
    dict of ndarray
        ``h0``, which is x, then ``a1, h1, a2, h2, ...``, each (n, units of that layer). The last ``h`` holds
        the predicted probabilities, (n, classes).
    """
    _check_count("h", h, len(parameters) // 2 + 1, "input and output included")
    activation_output = {"h0": x}
    for i in range(1, h):
        a = activation_output[f"h{i - 1}"] @ parameters[f"w{i}"] + parameters[f"b{i}"]
        activation_output[f"a{i}"] = a
        activation_output[f"h{i}"] = softmax(a) if i == h - 1 else g_act(a)
    return activation_output


def cross_entropy(y_p: Array, y_t: Array) -> float:
    """L = -1/n Σ_rows Σ_j t_j ln(p_j): how surprised the predictions are by the truth (Bishop, 4.108).

    Parameters
    ----------
    y_p : ndarray (n, classes)
        The predicted probabilities p. One that was rounded to 0 counts as the smallest normal number of its
        type, 2.2e-308 in float64, which keeps the loss finite.
    y_t : ndarray (n, classes)
        The truth t, one-hot.

    Returns
    -------
    float
        The mean over the batch, 0 where every true class has probability 1.
    """
    y_p = _as_floats(y_p)
    if y_p.shape != np.shape(y_t):
        raise ValueError(f"y_p has shape {y_p.shape} and y_t {np.shape(y_t)}, but they must be the same.")
    log_p = np.log(np.maximum(y_p, np.finfo(y_p.dtype).tiny))
    return float(-np.mean(np.sum(y_t * log_p, axis=1)))


def backprop(
    activation_output: dict[str, Array], parameters: dict[str, Array], y: Array, k: int, cl: int, d_act
) -> dict[str, Array]:
    """Carry the error back through the network: the loss's gradient for every weight and bias.

    Softmax followed by cross-entropy gives δ_k = (h_k - y) / n, the n because L is a mean over the batch. The
    chain rule gives the layers before it (Rumelhart, Hinton and Williams 1986; Bishop, 5.53 to 5.56).

    Parameters
    ----------
    activation_output : dict of ndarray
        From :func:`forward_prop`, for the same batch and parameters.
    parameters : dict of ndarray
    y : ndarray (n, cl)
        The truth, one-hot.
    k : int
        Number of layers without the output layer.
    cl : int
        Number of classes.
    d_act : function
        The derivative of ``g_act``: :func:`dsigmoid`, :func:`dtanh` or :func:`drelu`.

    Returns
    -------
    dict of ndarray
        ``dw1, db1, dw2, db2, ...``, each of the shape of its parameter.
    """
    _check_count("k", k, len(parameters) // 2, "without the output layer")
    n, prediction = len(activation_output["h0"]), activation_output[f"h{k}"]
    if np.shape(y) != (n, cl):
        raise ValueError(f"y has shape {np.shape(y)}, but must have ({n}, {cl}): one-hot, a row an example.")

    # a float64 truth must not turn a float32 network into a float64 one
    delta = (prediction - np.asarray(y, dtype=prediction.dtype)) / n
    gradients: dict[str, Array] = {}
    for i in range(k, 0, -1):
        gradients[f"dw{i}"] = activation_output[f"h{i - 1}"].T @ delta
        gradients[f"db{i}"] = np.sum(delta, axis=0)
        if i > 1:
            delta = (delta @ parameters[f"w{i}"].T) * d_act(activation_output[f"a{i - 1}"])
    # found last layer first, returned in the order of the parameters
    return {f"d{name}": gradients[f"d{name}"] for name in parameters}


def _check_count(name: str, layers: int, expected: int, counted: str) -> None:
    """Catch the one mistake everybody makes once: h where k belongs, or k where h belongs."""
    if layers != expected:
        raise ValueError(f"{name} is {layers}, but these parameters have {expected} layers, {counted}.")


# ---- Training: downhill, a batch at a time -----------------------------------------------------------


def gradient_descent(parameters: dict[str, Array], losses: dict[str, Array], eta: float) -> dict[str, Array]:
    """Take one step downhill: w ← w - η ∂L/∂w, and the same for every bias (Goodfellow, section 4.3).

    Parameters
    ----------
    parameters : dict of ndarray
        ``w1, b1, ...``; they stay as they are.
    losses : dict of ndarray
        ``dw1, db1, ...``, the gradients of the loss, from :func:`backprop`.
    eta : float
        The learning rate η.

    Returns
    -------
    dict of ndarray
        The new ``w1, b1, ...``.
    """
    return {name: value - eta * losses[f"d{name}"] for name, value in parameters.items()}


def train_batch2(
    x_train: Array,
    y_one_hot_train: Array,
    parameters: dict[str, Array],
    total_layers: int,
    epochs: int,
    eta: float,
    batch_size: int,
    g_act,
    d_act,
    *,
    rng: np.random.Generator | None = None,
) -> tuple[dict[str, Array], list[float], list[float]]:
    """Train a network by stochastic gradient descent on small batches (Goodfellow, algorithm 8.1).

    Every epoch shuffles the examples anew and goes through all of them; its last batch may be smaller.

    Parameters
    ----------
    x_train : ndarray (n, features)
        Small numbers, such as pixels divided by 255.
    y_one_hot_train : ndarray (n, classes)
        From :func:`one_hot_encode`.
    parameters : dict of ndarray
        Where to start, from :func:`glorot_init`; they stay as they are.
    total_layers : int
        Number of layers, input and output included.
    epochs : int
    eta : float
        The learning rate.
    batch_size : int
        At least 1.
    g_act, d_act : function
        The activation of the hidden layers and its derivative.
    rng : numpy.random.Generator, optional
        Shuffles, by one permutation an epoch; an equal generator repeats the training exactly.

    Returns
    -------
    parameters : dict of ndarray
        The trained ``w1, b1, ...``.
    train_losses : list of float
        For each epoch the mean loss of its examples, each as its batch met it.
    batch_losses : list of float
        For each batch the mean loss of its examples, before the step they led to.
    """
    n, classes = np.shape(y_one_hot_train)
    if n == 0 or n != len(x_train):
        raise ValueError(f"x_train has {len(x_train)} rows, y_one_hot_train {n}; both need the same, not 0.")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, but must be at least 1.")
    rng = np.random.default_rng() if rng is None else rng

    train_losses: list[float] = []
    batch_losses: list[float] = []
    for _ in range(epochs):
        order = rng.permutation(n)
        epoch_loss = 0.0
        for start in range(0, n, batch_size):
            rows = order[start : start + batch_size]
            x, y = x_train[rows], y_one_hot_train[rows]

            activation_output = forward_prop(x, parameters, total_layers, g_act)
            loss = cross_entropy(activation_output[f"h{total_layers - 1}"], y)
            gradients = backprop(activation_output, parameters, y, total_layers - 1, classes, d_act)
            parameters = gradient_descent(parameters, gradients, eta)

            batch_losses.append(loss)
            epoch_loss += loss * len(rows) / n
        train_losses.append(epoch_loss)
    return parameters, train_losses, batch_losses


# ---- One neuron: the chain rule on the smallest network there is -------------------------------------


def gradient_w(x: Array, w: Array, b: float, y: Array) -> Array:
    """∂L/∂w = (ŷ - y) ŷ (1 - ŷ) x for a sigmoid neuron with L = ½ (ŷ - y)² (Nielsen, equation 55).

    Parameters
    ----------
    x : ndarray (n, features), or (features,) for one example
    w : ndarray (features,)
    b : float
    y : ndarray (n,), or a number for one example
        The targets, between 0 and 1; the prediction is ŷ = σ(x·w + b).

    Returns
    -------
    ndarray (features,)
        The mean over the batch.
    """
    x = np.atleast_2d(x)
    return _neuron_delta(x, w, b, y) @ x / len(x)


def gradient_b(x: Array, w: Array, b: float, y: Array) -> float:
    """∂L/∂b = (ŷ - y) ŷ (1 - ŷ), as :func:`gradient_w` with 1 in place of x (Nielsen, equation 56).

    Parameters
    ----------
    x, w, b, y
        As for :func:`gradient_w`.

    Returns
    -------
    float
        The mean over the batch.
    """
    return float(np.mean(_neuron_delta(np.atleast_2d(x), w, b, y)))


def _neuron_delta(x: Array, w: Array, b: float, y: Array) -> Array:
    """∂L/∂a = (ŷ - y) σ'(a), where a = x·w + b and ŷ = σ(a); one number an example, shape (n,)."""
    y = np.atleast_1d(y)
    if y.shape != (len(x),):
        raise ValueError(f"y has shape {y.shape}, but must have ({len(x)},): one target for each row of x.")
    a = x @ np.atleast_1d(w) + b
    return (sigmoid(a) - y) * dsigmoid(a)


# ---- The data: from labels and images to numbers, and from losses to a curve -------------------------


def one_hot_encode(labels: ArrayLike) -> NDArray[np.float32]:
    """Turn each label into a row that is 1 in the column of its class and 0 elsewhere.

    Encode the labels before splitting them: a class that is missing from one part has no column there.

    Parameters
    ----------
    labels : array_like (n,)
        Numbers or strings.

    Returns
    -------
    ndarray (n, classes) of float32
        One column for each different label, in sorted order.
    """
    column = np.reshape(labels, (-1, 1))
    # float32 holds 0 and 1 exactly, and leaves float32 and float64 arithmetic what they are
    encoded: NDArray[np.float32] = np.equal(column, np.unique(column)).astype(np.float32)
    return encoded


def resize_and_flatten(images: Pixels, size: tuple[int, int] = (28, 28)) -> Pixels:
    """Bring images to one size by linear interpolation, and make a row of each.

    Parameters
    ----------
    images : ndarray (n, height, width) of uint8 or float
        Grey levels, from 0 to 255 or from 0 to 1.
    size : (int, int), default (28, 28)
        The new height and width.

    Returns
    -------
    ndarray (n, height * width), the type of images
        In the range of the images; those that have the size already keep every pixel. Floats are
        interpolated in float32.

    Raises
    ------
    ValueError
        If the images are neither: Pillow would silently make other grey levels of other numbers.
    """
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise ValueError(f"images are {images.dtype}, but must be uint8 or floats; convert them.")
    height, width = size
    if images.shape[1:] == (height, width):
        return images.reshape(len(images), -1).copy()
    rows: Pixels = np.empty((len(images), height * width), dtype=images.dtype)
    pixels = images if images.dtype == np.uint8 else images.astype(np.float32)
    for i, image in enumerate(pixels):
        # Pillow names the width first
        picture = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        rows[i] = np.asarray(picture).ravel()
    return rows


def average_every(data: ArrayLike, n: int) -> list[float]:
    """Return the mean of each n values in turn, so that a noisy curve can be read.

    Parameters
    ----------
    data : array_like (values,)
    n : int
        At least 1.

    Returns
    -------
    list of float
        A last, shorter group is averaged too; no data gives no means.
    """
    if n < 1:
        raise ValueError(f"n is {n}, but must be at least 1.")
    data = np.asarray(data)
    return [float(np.mean(data[start : start + n])) for start in range(0, len(data), n)]


def average_every_200_elements(data: ArrayLike) -> list[float]:
    """Return the mean of each 200 values in turn, as the published study draws its batch losses.

    Parameters
    ----------
    data : array_like (values,)

    Returns
    -------
    list of float
    """
    return average_every(data, 200)
