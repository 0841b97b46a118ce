"""The lesson: a multilayer perceptron from scratch, one function an idea, in plain NumPy.

Read it from top to bottom: each part uses only what stands above it, and the last function trains a
network. It needs nothing but NumPy, SciPy and Pillow, so it can be handed out on its own.

The same few conventions hold throughout:

- A batch is an array of shape ``(n, features)``: one example a row.
- Layers are numbered from 0, the input, to k, the output. The network 784-500-250-100-10 has
  ``h = total_layers = 5`` layers, input and output included; without the output they are ``k = 4``.
- ``parameters`` is a dict of ``w1, b1, ..., wk, bk``. Layer i computes its pre-activation
  a_i = h_{i-1} w_i + b_i and its output h_i = g(a_i), so ``w_i`` is (fan_in, fan_out) and ``b_i`` (fan_out,).
- Arrays in float64 give float64, arrays in float32 give float32.

The books named below: Bishop, "Pattern Recognition and Machine Learning" (2006); Goodfellow, Bengio and
Courville, "Deep Learning" (2016); Nielsen, "Neural Networks and Deep Learning" (2015).
"""
# A function given as an argument (g_act, d_act) has no type here: naming one would take another import.
# mypy: allow-untyped-defs, allow-incomplete-defs

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy.special import expit

Array = NDArray[np.floating]


# ---- The data: from labels and pictures to numbers ---------------------------------------------------


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


def resize_and_flatten(images: NDArray[np.uint8], size: tuple[int, int] = (28, 28)) -> NDArray[np.uint8]:
    """Bring pictures to one size, and lay the pixel rows of each behind one another.

    Enlarging interpolates linearly between neighbouring pixels, so a black background stays black and no
    edge gets a halo. A picture that has the size already keeps its pixels.

    Parameters
    ----------
    images : ndarray (n, height, width) of uint8
        Grey levels from 0 to 255.
    size : (int, int), default (28, 28)
        The new height and width, in the order of an array's shape.

    Returns
    -------
    ndarray (n, height * width) of uint8

    Raises
    ------
    ValueError
        If the images are not uint8: other numbers would silently become wrong grey levels.
    """
    if images.dtype != np.uint8:
        raise ValueError(
            f"images are {images.dtype}, but must be uint8; scale them to 0..255 and convert them."
        )
    height, width = size
    rows = np.empty((len(images), height * width), dtype=np.uint8)
    for i, image in enumerate(images):
        # Pillow names the width first
        picture = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        rows[i] = np.asarray(picture).ravel()
    return rows


# ---- Activations: what a neuron makes of its weighted sum --------------------------------------------


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


def relu(x: Array) -> Array:
    """relu(x) = max(0, x) (Nair and Hinton 2010, "Rectified Linear Units").

    Parameters
    ----------
    x : ndarray, any shape

    Returns
    -------
    ndarray, the shape of x
    """
    return np.maximum(0, x)


def softmax(x: Array) -> Array:
    """softmax(x)_j = exp(x_j) / Σ_l exp(x_l): any numbers become probabilities.

    Subtracting the same number from every x_j changes nothing, since it cancels. Subtracting the largest
    makes every exponential at most 1, so nothing overflows (Goodfellow, sections 4.1 and 6.2.2.3).

    Parameters
    ----------
    x : ndarray (n, classes) or (classes,)
        Any finite numbers.

    Returns
    -------
    ndarray, the shape of x
        Between 0 and 1; every row sums to 1.
    """
    x = _as_floats(x)
    largest = np.max(x, axis=-1, keepdims=True)
    # from 1e308 down to -1e308 the difference is -infinity, and exp(-infinity) = 0 is right; the difference
    # of equal infinities would be NaN, but is 0 here
    with np.errstate(over="ignore", invalid="ignore"):
        exponentials: Array = np.exp(np.where(x == largest, 0, x - largest))
    total: Array = np.sum(exponentials, axis=-1, keepdims=True)
    return exponentials / total


def _as_floats(x: Array) -> Array:
    """Return x as an array of floats; float32 and float64 stay what they are, integers are converted."""
    x = np.asarray(x)
    return x.astype(np.result_type(x.dtype, np.float32), copy=False)


# ---- Their derivatives: how the output moves when the weighted sum moves -----------------------------


def dsigmoid(a: Array) -> Array:
    """σ'(a) = σ(a) (1 - σ(a)) (Bishop, equation 4.88).

    Parameters
    ----------
    a : ndarray, any shape
        The pre-activation, not the output σ(a).

    Returns
    -------
    ndarray, the shape of a
        At most 1/4, and close to 0 far from a = 0, where a sigmoid neuron learns slowly.
    """
    output = sigmoid(a)
    return output * (1 - output)


def dtanh(x: Array) -> Array:
    """tanh'(x) = 1 - tanh(x)² (Bishop, equation 5.60).

    Parameters
    ----------
    x : ndarray, any shape
        The pre-activation, not the output tanh(x).

    Returns
    -------
    ndarray, the shape of x
        At most 1, and close to 0 far from x = 0.
    """
    return 1 - tanh(x) ** 2


def drelu(x: Array) -> Array:
    """relu'(x) = 1 where x > 0, else 0 (Goodfellow, section 6.3).

    Parameters
    ----------
    x : ndarray, any shape
        The pre-activation; the output relu(x), positive at the same places, would do as well.

    Returns
    -------
    ndarray, the shape of x
        At x = 0, where the slope jumps, it is taken as 0.
    """
    return np.heaviside(x, 0)


# ---- One neuron: the chain rule on the smallest network there is -------------------------------------


def gradient_w(x: Array, w: Array, b: float, y: Array) -> Array:
    """Return how the squared error of a single sigmoid neuron changes with its weights.

    With ŷ = σ(x·w + b) and the loss L = ½ (ŷ - y)², the chain rule gives
    ∂L/∂w = (ŷ - y) ŷ (1 - ŷ) x, here the mean over the batch (Nielsen, equation 55).

    Parameters
    ----------
    x : ndarray (n, features), or (features,) for one example
    w : ndarray (features,)
    b : float
    y : ndarray (n,), or a number for one example
        The targets, between 0 and 1.

    Returns
    -------
    ndarray (features,)
    """
    x = np.atleast_2d(x)
    return _neuron_delta(x, w, b, y) @ x / len(x)


def gradient_b(x: Array, w: Array, b: float, y: Array) -> float:
    """Return how the squared error of a single sigmoid neuron changes with its bias.

    As for the weights, but with 1 in place of x, since the bias stands alone in the sum:
    ∂L/∂b = (ŷ - y) ŷ (1 - ŷ), here the mean over the batch (Nielsen, equation 56).

    Parameters
    ----------
    x, w, b, y
        As for :func:`gradient_w`.

    Returns
    -------
    float
    """
    return float(np.mean(_neuron_delta(np.atleast_2d(x), w, b, y)))


def _neuron_delta(x: Array, w: Array, b: float, y: Array) -> Array:
    """∂L/∂a = (ŷ - y) σ'(a), where a = x·w + b and ŷ = σ(a); one number an example, shape (n,)."""
    y = np.atleast_1d(y)
    if y.shape != (len(x),):
        raise ValueError(f"y has shape {y.shape}, but must have ({len(x)},): one target for each row of x.")
    a = x @ np.atleast_1d(w) + b
    return (sigmoid(a) - y) * dsigmoid(a)


# ---- The loss, and how to look at it -----------------------------------------------------------------


def cross_entropy(y_p: Array, y_t: Array) -> float:
    """L = -1/n Σ_rows Σ_j t_j ln(p_j): how surprised the predictions are by the truth.

    The mean over the batch of Bishop's equation 4.108. A probability that was rounded to 0 counts as the
    smallest normal number of its type, 2.2e-308 in float64, which keeps the loss large but finite.

    Parameters
    ----------
    y_p : ndarray (n, classes)
        The predicted probabilities p.
    y_t : ndarray (n, classes)
        The truth t, one-hot.

    Returns
    -------
    float
        0 where every true class has probability 1.
    """
    y_p = _as_floats(y_p)
    if y_p.shape != np.shape(y_t):
        raise ValueError(f"y_p has shape {y_p.shape} and y_t {np.shape(y_t)}, but they must be the same.")
    log_p = np.log(np.maximum(y_p, np.finfo(y_p.dtype).tiny))
    return float(-np.mean(np.sum(y_t * log_p, axis=1)))


def average_every(data: ArrayLike, n: int) -> list[float]:
    """Return the mean of each n values in turn, so that a noisy curve can be read.

    Parameters
    ----------
    data : array_like (values,)
    n : int
        How many values share a mean, at least 1.

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
        As :func:`average_every` gives for n = 200.
    """
    return average_every(data, 200)


# ---- The network: its first weights, the way forward and the way back --------------------------------


def glorot_init(
    n_inputs: int, neurons: list[int], n_outputs: int, rng: np.random.Generator
) -> dict[str, Array]:
    """Draw each weight from U(-M, M), M = √(6 / (N_i + N_o)), and set each bias to zero.

    N_i and N_o are the sizes of the layers before and after the weights. With this M the signals keep about
    the same variance on the way forward, and the gradients on the way back (Glorot and Bengio 2010,
    "Understanding the difficulty of training deep feedforward neural networks", equation 16).

    Parameters
    ----------
    n_inputs : int
        Features of an example.
    neurons : list of int
        Sizes of the hidden layers, first to last: ``[500, 250, 100]``.
    n_outputs : int
        Number of classes.
    rng : numpy.random.Generator
        Where the numbers come from.

    Returns
    -------
    dict of ndarray of float64
        ``w1, b1, w2, b2, ...``, of shapes (N_i, N_o) and (N_o,).
    """
    sizes = [n_inputs, *neurons, n_outputs]
    parameters: dict[str, Array] = {}
    for i in range(1, len(sizes)):
        n_i, n_o = sizes[i - 1], sizes[i]
        bound = np.sqrt(6 / (n_i + n_o))
        parameters[f"w{i}"] = rng.uniform(-bound, bound, size=(n_i, n_o))
        parameters[f"b{i}"] = np.zeros(n_o)
    return parameters


def forward_prop(x: Array, parameters: dict[str, Array], h: int, g_act) -> dict[str, Array]:
    """Carry a batch through the network, and keep what every layer computed.

    h_0 = x;  a_i = h_{i-1} w_i + b_i;  h_i = g(a_i), but softmax(a_i) in the output layer
    (Goodfellow, algorithm 6.3).

    Parameters
    ----------
    x : ndarray (n, features)
        Small numbers, such as pixels divided by 255.
    parameters : dict of ndarray
        ``w1, b1, ...``, as from :func:`glorot_init`.
    h : int
        Number of layers, input and output included: 5 for 784-500-250-100-10.
    g_act : function
        The activation of the hidden layers: :func:`sigmoid`, :func:`tanh` or :func:`relu`.

    Returns
    -------
    dict of ndarray
        ``h0``, which is x, then ``a1, h1, a2, h2, ...``, each (n, neurons of that layer). The last ``h``
        holds the predicted probabilities, (n, classes).
    """
    _check_count("h", h, len(parameters) // 2 + 1, "input and output included")
    activation_output = {"h0": x}
    for i in range(1, h):
        a = activation_output[f"h{i - 1}"] @ parameters[f"w{i}"] + parameters[f"b{i}"]
        activation_output[f"a{i}"] = a
        activation_output[f"h{i}"] = softmax(a) if i == h - 1 else g_act(a)
    return activation_output


def backprop(
    activation_output: dict[str, Array], parameters: dict[str, Array], y: Array, k: int, cl: int, d_act
) -> dict[str, Array]:
    """Carry the error back through the network: the loss's gradient for every weight and bias.

    Write δ_i for ∂L/∂a_i. Softmax followed by cross-entropy gives the output layer δ_k = (h_k - y) / n,
    the n because L is the mean over the batch. Each layer hands it to the one before it,
    δ_{i-1} = (δ_i w_iᵀ) ⊙ g'(a_{i-1}), and reads off ∂L/∂w_i = h_{i-1}ᵀ δ_i and ∂L/∂b_i = Σ_rows δ_i
    (Rumelhart, Hinton and Williams 1986; Bishop, equations 5.53 to 5.56).

    Parameters
    ----------
    activation_output : dict of ndarray
        What :func:`forward_prop` returned for the batch.
    parameters : dict of ndarray
        ``w1, b1, ...``, as :func:`forward_prop` had them.
    y : ndarray (n, cl)
        The truth, one-hot.
    k : int
        Number of layers without the output layer: 4 for 784-500-250-100-10.
    cl : int
        Number of classes.
    d_act : function
        The derivative of ``g_act``: :func:`dsigmoid`, :func:`dtanh` or :func:`drelu`. It is given the
        pre-activation.

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
        ``dw1, db1, ...``, the gradients of the loss, as from :func:`backprop`.
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

    Every epoch shuffles the examples anew and goes through all of them, a batch at a time; the last batch
    takes what is left and may be smaller.

    Parameters
    ----------
    x_train : ndarray (n, features)
        Small numbers, such as pixels divided by 255.
    y_one_hot_train : ndarray (n, classes)
        As from :func:`one_hot_encode`.
    parameters : dict of ndarray
        Where to start, as from :func:`glorot_init`; they stay as they are.
    total_layers : int
        Number of layers, input and output included: 5 for 784-500-250-100-10.
    epochs : int
        How often to go through all examples.
    eta : float
        The learning rate.
    batch_size : int
        Examples in a batch, at least 1.
    g_act, d_act : function
        The activation of the hidden layers and its derivative, such as :func:`relu` and :func:`drelu`.
    rng : numpy.random.Generator, optional
        Shuffles, by one permutation an epoch. An equal generator repeats the training exactly; without
        one, every training is different.

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
