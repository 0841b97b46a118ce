"""The mistakes by id: the sentence a teacher would say, and the fix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake that ``check`` can name.

    Parameters
    ----------
    id : str
    sentence : str
        What is wrong; the outputs, a detail and a ratio are added.
    fix : str
        What to do.
    """

    id: str
    sentence: str
    fix: str


_TABLE = (
    (
        "gradient_not_averaged",
        "the gradients are summed over the batch, not averaged",
        "Divide by the number of examples in the batch, once: in δ of the output layer or in each gradient.",
    ),
    (
        "gradient_averaged_twice",
        "the gradients are averaged once too often",
        "Divide by the number of examples only once; np.mean already divides.",
    ),
    (
        "gradient_sign_flipped",
        "the gradient has the wrong sign, so that descent climbs",
        "δ of the output layer is prediction minus truth, p - t, not t - p.",
    ),
    (
        "gradient_transposed",
        "the gradient of weights is transposed",
        "The gradient has the shape of its weights: h.T @ delta for rows, delta @ h.T for columns.",
    ),
    (
        "activation_derivative_missing",
        "the derivative of the activation is missing",
        "Multiply δ, carried back through the weights, by g'(a) of the layer it arrives at.",
    ),
    (
        "activation_derivative_wrong_argument",
        "the derivative of the activation is taken at the wrong argument",
        "Give the derivative what its formula expects: a for σ(a) (1 - σ(a)) and 1 - tanh(a)², "
        "h for h (1 - h) and 1 - h².",
    ),
    (
        "activation_derivative_of_wrong_layer",
        "the derivative of the activation is that of another layer",
        "δ of layer i takes g'(a_i), of the layer it arrives at.",
    ),
    (
        "wrong_layer_input",
        "a layer takes the wrong input",
        "Layer i takes h_{i-1}, the output of the layer before it, forward and in its weights' gradient.",
    ),
    (
        "bias_gradient_summed_over_everything",
        "the gradient of the biases is one number, summed over everything",
        "Sum over the examples only: axis=0 for rows, axis=1 with keepdims=True for columns.",
    ),
    (
        "bias_gradient_not_summed",
        "the gradient of the biases is not summed over the examples",
        "Sum δ over the examples: axis=0 for rows, axis=1 with keepdims=True for columns.",
    ),
    (
        "weights_updated_before_backprop_uses_them",
        "weights are updated before backpropagation uses them",
        "Compute all gradients with the weights of the forward pass, then update.",
    ),
    (
        "output_derivative_applied_to_cross_entropy",
        "the derivative of the output activation is applied to p - t, which already contains it",
        "Softmax followed by the cross-entropy gives δ = p - t; multiply by nothing.",
    ),
    (
        "delta_uses_wrong_weights",
        "δ is carried back through the wrong weights",
        "δ_{i-1} = (δ_i w_iᵀ) ⊙ g'(a_{i-1}): the weights of the layer that δ comes from, transposed.",
    ),
    (
        "softmax_wrong_axis",
        "the softmax is taken over the wrong axis",
        "Sum over the classes of one example, with keepdims=True: axis=1 for rows, axis=0 for columns.",
    ),
    (
        "softmax_unstable",
        "the softmax overflows for large inputs",
        "Subtract the largest number of each example before the exponential; it cancels.",
    ),
    (
        "softmax_normalized_over_whole_batch",
        "the softmax is normalized over the whole batch",
        "Divide by the sum of each example alone, with an axis and keepdims=True.",
    ),
    (
        "softmax_wrong",
        "the function is not the softmax",
        "softmax(x)_j = exp(x_j) / Σ_l exp(x_l), for each example.",
    ),
    (
        "cross_entropy_not_averaged",
        "the cross-entropy is not the mean over the batch",
        "Divide the sum over the batch by the number of examples, once.",
    ),
    (
        "cross_entropy_averaged_over_classes",
        "the cross-entropy is averaged over the classes too",
        "Sum over the classes, then take the mean over the examples; np.mean of all entries divides by both.",
    ),
    (
        "cross_entropy_wrong_log",
        "the cross-entropy takes the wrong logarithm",
        "Take the natural logarithm, np.log.",
    ),
    (
        "cross_entropy_log_of_zero",
        "the cross-entropy is not finite where a probability is 0",
        "Keep the probability above 0 inside the logarithm: np.log(np.maximum(p, 1e-12)).",
    ),
    (
        "cross_entropy_sign",
        "the cross-entropy has the wrong sign",
        "Loss = -mean(sum(t * log(p))): with the minus it is positive and is minimized.",
    ),
    (
        "sigmoid_unstable",
        "the sigmoid overflows for large inputs",
        "Use 1 / (1 + exp(-x)) or scipy.special.expit: exp(x) / (1 + exp(x)) is ∞ / ∞ for large x.",
    ),
    ("sigmoid_wrong", "the function is not the sigmoid", "σ(x) = 1 / (1 + exp(-x))."),
    ("tanh_wrong", "the function is not tanh", "Use np.tanh."),
    (
        "sigmoid_derivative_wrong",
        "the derivative of the sigmoid is wrong",
        "σ'(a) = σ(a) (1 - σ(a)), or h (1 - h) of the output h.",
    ),
    (
        "tanh_derivative_wrong",
        "the derivative of tanh is wrong",
        "tanh'(a) = 1 - tanh(a)², or 1 - h² of the output h.",
    ),
    ("relu_derivative_wrong", "the derivative of relu is wrong", "relu'(a) = 1 where a > 0, else 0."),
    ("relu_wrong", "the function is not relu", "relu(x) = max(0, x): np.maximum(0, x)."),
    (
        "glorot_wrong_limit",
        "the limit of the initial weights is wrong",
        "Draw from U(-M, M) with M = √(6 / (fan_in + fan_out)).",
    ),
    (
        "glorot_not_uniform",
        "the initial weights are not uniformly distributed",
        "Draw from the uniform distribution: rng.uniform(-M, M, size) with M = √(6 / (fan_in + fan_out)).",
    ),
    ("biases_not_zero", "the initial biases are not 0", "Begin with np.zeros(fan_out)."),
    (
        "layers_initialized_alike",
        "weights begin with the same numbers, so that units or layers stay alike",
        "Seed the generator once, outside the loop, and draw new numbers for every layer.",
    ),
    (
        "one_hot_wrong_column_order",
        "the one-hot columns are in the wrong order",
        "Column j belongs to the j-th class in sorted order.",
    ),
    (
        "one_hot_shape",
        "the one-hot array has the wrong shape",
        "One example for each label and one place for each class, in the layout of the assignment.",
    ),
    (
        "resize_wrong",
        "the resized images are wrong",
        "Resize each image to (height, width) by linear interpolation, then flatten it row after row; "
        "Pillow names the width first.",
    ),
    ("update_sign", "the update goes uphill", "Subtract the step: w - eta * dw."),
    (
        "update_in_place",
        "the update changes the parameters that it was given",
        "Return new arrays: w - eta * dw instead of w -= eta * dw.",
    ),
    ("update_forgets_biases", "the update leaves biases as they are", "Update the biases like the weights."),
    (
        "learning_rate_ignored_or_squared",
        "the learning rate is not applied once",
        "Multiply the gradient by the learning rate exactly once.",
    ),
    (
        "no_shuffle",
        "the examples are not shuffled anew each epoch",
        "Draw a new permutation in every epoch, and take the batches in its order.",
    ),
    (
        "x_and_y_shuffled_apart",
        "inputs and targets are shuffled apart, so that they no longer belong together",
        "Draw one permutation and index both arrays with it.",
    ),
    (
        "last_batch_dropped",
        "the last, smaller batch is left out",
        "Go through range(0, n, batch_size); the last slice is shorter by itself.",
    ),
    (
        "loss_not_recorded_per_batch",
        "the losses are not recorded once a batch",
        "Append the loss of each batch, before its update, to the list of batch losses.",
    ),
    (
        "average_drops_last_group",
        "the last group of the averages is wrong",
        "Average the last, shorter group too, over the values that it has.",
    ),
    (
        "forward_missing_bias",
        "the bias is not added",
        "a_i = h_{i-1} w_i + b_i, in every layer.",
    ),
    (
        "forward_wrong_output_activation",
        "the activation of the output is wrong",
        "The last layer takes the output activation of the assignment, once; the others take g.",
    ),
    (
        "forward_activation_skipped_in_last_hidden",
        "the activation of a hidden layer is skipped",
        "h_i = g(a_i) in every hidden layer, the last hidden one included.",
    ),
    (
        "uses_globals_instead_of_arguments",
        "it uses what is defined outside instead of its arguments",
        "Take every value from the arguments: the number of examples, the parameters, g and η.",
    ),
    (
        "parameters_shared_between_calls",
        "calls share the same arrays, so that one call changes the result of another",
        "Make new arrays in every call; no mutable default argument, no array of the module.",
    ),
    ("missing", "the function is not defined", "Define it under its name."),
    ("raises", "it fails", "Read the message; the shapes of the arrays are the first thing to print."),
    (
        "wrong_shape",
        "the result has the wrong shape",
        "Print the shapes and compare them with the assignment's.",
    ),
    (
        "not_finite",
        "the result is not finite",
        "Look for a division by 0, log(0) or an exponential too large.",
    ),
    ("too_slow", "it does not return in time", "Look for a loop that does not end."),
    (
        "unexplained",
        "the result is wrong in a way that is none of the known mistakes",
        "Compare the numbers, and write the formula of the wrong output on paper.",
    ),
)

MISTAKES: Mapping[str, Mistake] = {row[0]: Mistake(*row) for row in _TABLE}
