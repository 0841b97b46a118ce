"""Base class of the two estimators: checks, initialization, fitting, and the forward pass."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from clearprop.engines.prediction import OUTPUT_FUNCTIONS, logits
from clearprop.estimator.checks import activation_names, check_parameters, hidden_sizes
from clearprop.estimator.full_batch import fit_full_batch
from clearprop.estimator.parameters import STOCHASTIC_SOLVERS, SharedParameters
from clearprop.estimator.plan import OUTPUTS, starting_parameters
from clearprop.estimator.stochastic import TrainingData, fit_stochastic, not_finite
from clearprop.nn.parameters import Parameters
from clearprop.nn.scaling import Scaling
from clearprop.training.callbacks import TrainingState
from clearprop.training.history import History
from clearprop.utils.errors import InvalidArgument

FloatArray = NDArray[np.floating[Any]]

#: Types of rows that are not copied; uint8 pixels stay bytes, and are computed on in float64.
ROW_TYPES = (np.float64, np.float32, np.uint8)
#: The error about a validation set in another form.
_VALIDATION = "validation_data is not (X, y) or (X, y, sample_weight); give arrays as fit takes them."


class MultilayerPerceptron(SharedParameters, BaseEstimator, metaclass=ABCMeta):  # type: ignore[misc]
    """The part of an estimator that is the same for classes and for numbers."""

    # the state of training that partial_fit and warm_start continue from
    _no_improvement_count = 0
    _learning_rate_scale = 1.0
    _optimizer_memory: tuple[Any, Any] = (None, None)

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None) -> Self:
        """Fit the network to data.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows of numbers; float32 and float64 are computed on as they are, bytes and all else in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, label indicators, or values.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.
        validation_data : tuple, default=None
            ``(X, y)`` or ``(X, y, sample_weight)`` to score after every epoch. With ``early_stopping`` it
            replaces the rows that would be held out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter has a value that is not allowed, or the data cannot be learned from.
        """
        check_parameters(self)
        return self._fit(X, y, sample_weight, incremental=False, validation_data=validation_data)

    # where numpy.errstate makes underflow an error: 0 is the right result
    @np.errstate(under="ignore")
    def _fit(
        self,
        x: Any,
        y: Any,
        sample_weight: Any,
        *,
        incremental: bool,
        validation_data: Any = None,
    ) -> Self:
        if incremental and self.early_stopping:
            raise InvalidArgument("partial_fit does not support early_stopping=True")
        if incremental and self.schedule != "constant":
            raise InvalidArgument(
                f"schedule is {self.schedule!r}, but partial_fit trains one epoch and does not know how many "
                "will follow; leave schedule out, or train with fit."
            )
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        x, y = self._checked(x, y, reset=first)
        targets = self._learned_targets(y, incremental=incremental)
        given_weight, weight = self._weights(x, y, sample_weight, incremental=incremental)
        data = TrainingData(x, targets, weight, given_weight)
        random = check_random_state(self.random_state)
        if first:
            dtype = np.dtype(np.float32 if x.dtype == np.float32 else np.float64)
            self._initialize(x.shape[1], dtype, random)
        if self.solver in STOCHASTIC_SOLVERS:
            validation = self._validation(validation_data, targets)
            parameters = fit_stochastic(
                self, data, validation, self._parameters(), random, incremental=incremental
            )
        elif validation_data is not None:
            raise InvalidArgument(
                'validation_data was given, but solver="lbfgs" has no epochs to score it after; choose '
                "another solver, or leave validation_data out."
            )
        else:
            parameters = fit_full_batch(self, data, self._parameters())
        self.coefs_ = [weight for weight, _ in parameters]
        self.intercepts_ = [bias for _, bias in parameters]
        if not all(np.isfinite(array).all() for layer in parameters for array in layer):
            raise not_finite()
        return self

    def _initialize(self, n_features: int, dtype: np.dtype[Any], random: np.random.RandomState) -> None:
        """Draw the initial parameters, and reset the counters of a fit."""
        sizes = [n_features, *hidden_sizes(self.hidden_layer_sizes), self.n_outputs_]
        self.n_layers_ = len(sizes)
        self.n_iter_ = 0
        self.t_ = 0
        self.out_activation_ = self._output()
        parameters = _in_type(starting_parameters(self, sizes, random), dtype)
        self.coefs_ = [weight for weight, _ in parameters]
        self.intercepts_ = [bias for _, bias in parameters]
        if self.solver in STOCHASTIC_SOLVERS:
            self.loss_curve_: list[float] = []
            self.best_loss_ = None if self.early_stopping else np.inf
            self.validation_scores_: list[float] | None = [] if self.early_stopping else None
            self.best_validation_score_ = -np.inf if self.early_stopping else None
            self._no_improvement_count = 0
            self._learning_rate_scale = 1.0
            self._optimizer_memory = (None, None)

    def _checked(self, x: Any, y: Any, *, reset: bool) -> tuple[Any, Any]:
        """Return rows and targets as arrays, checked by scikit-learn's rules."""
        x, y = validate_data(
            self,
            x,
            y,
            accept_sparse="csr",
            multi_output=True,
            dtype=ROW_TYPES,
            reset=reset,
            y_numeric=self._targets_are_numbers,
        )
        return x, y

    def _weights(
        self, x: Any, y: Any, sample_weight: Any, *, incremental: bool
    ) -> tuple[FloatArray | None, FloatArray | None]:
        """Return the rows' weights as given, and with those of their classes."""
        given = None if sample_weight is None else _check_sample_weight(sample_weight, x)
        if given is not None and not given.sum() > 0:
            raise InvalidArgument("sample_weight sums to zero or less, so no row counts; give some a weight.")
        of_classes = self._class_weights(y, incremental=incremental)
        if of_classes is None:
            return given, given
        together = of_classes if given is None else of_classes * given
        # a batch of partial_fit may hold only classes of weight 0
        if not (incremental or together.sum() > 0):
            raise InvalidArgument(
                "class_weight leaves no row any weight, so none counts; give a class of theirs one."
            )
        return given, together

    def _validation(self, given: Any, targets: NDArray[Any]) -> TrainingData | None:
        """Return the validation set that fit was given, checked, if there is one."""
        if given is None:
            return None
        if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
            raise InvalidArgument(_VALIDATION)
        x, y = self._checked(*given[:2], reset=False)
        weight = _check_sample_weight(given[2], x) if len(given) == 3 and given[2] is not None else None
        encoded = self._encoded(self._known(y))
        if encoded.shape[1:] != targets.shape[1:]:
            raise InvalidArgument(
                f"A row of y is {targets.shape[1]} wide, but one of validation_data's y {encoded.shape[1]}; "
                "give both the same columns."
            )
        return TrainingData(x, encoded, weight, weight)

    def _parameters(self) -> Parameters:
        """Return the fitted parameters; users may have set them."""
        dtype = np.result_type(np.float32, *self.coefs_, *self.intercepts_)
        pairs = zip(self.coefs_, self.intercepts_, strict=True)
        return [(np.asarray(weight, dtype), np.asarray(bias, dtype).reshape(-1)) for weight, bias in pairs]

    @np.errstate(under="ignore")
    def _forward(self, x: Any) -> FloatArray:
        """Return the outputs ``(n_samples, n_outputs)`` for rows as they were given."""
        check_is_fitted(self)
        x = validate_data(self, x, accept_sparse="csr", dtype=ROW_TYPES, reset=False)
        own = self._parameters()
        # the type of NumPy's matrix product
        dtype = np.result_type(np.float64 if x.dtype == np.uint8 else x.dtype, own[0][0])
        parameters = _in_type(own, dtype)
        # a whole Network would be checked again at every prediction
        activations = activation_names(self.activation, len(parameters) - 1)
        return self._outputs(lambda rows: logits(parameters, activations, Scaling(), rows), x)

    def _outputs(self, logits_of: Callable[[Any], FloatArray], x: Any) -> FloatArray:
        """Return the outputs ``(n, n_outputs)`` for checked rows, dense or CSR."""
        function = OUTPUT_FUNCTIONS[OUTPUTS[self.out_activation_][0]]
        return np.ascontiguousarray(function(logits_of(x).T).T)

    def _reported_loss(self, loss: float, state: TrainingState) -> float:
        """Return an epoch's loss as ``loss_`` gives it."""
        divisor = self._loss_divisor()
        if divisor == 1:
            return loss
        squares = sum(float(np.vdot(weight, weight)) for weight, _ in state.engine.parameters())
        # each batch adds α / 2 Σ w² / n, and counts by its n rows in the mean
        penalty = state.recipe.l2_penalty / 2 * state.n_batches / state.n_rows * squares
        return (loss - penalty) / divisor + penalty

    def _loss_divisor(self) -> int:
        """Return the number by which ``loss_`` divides the loss summed over the outputs."""
        return 1

    def _check_solver(self) -> bool:
        if self.solver not in STOCHASTIC_SOLVERS:
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle: all but the batch losses in ``history_``, the largest part of many."""
        state: dict[str, Any] = super().__getstate__()
        if "history_" in state:
            state = {**state, "history_": History(state["history_"].epochs)}
        return state

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy that has the batch losses."""
        memo[id(self)] = copied = object.__new__(type(self))
        copied.__dict__.update(deepcopy(vars(self), memo))
        return copied

    def __copy__(self) -> Self:
        copied = object.__new__(type(self))
        copied.__dict__.update(vars(self))
        return copied

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # differs between classifier and regressor

    #: Whether targets are converted to numbers when they are checked.
    _targets_are_numbers = False

    @abstractmethod
    def _learned_targets(self, y: Any, *, incremental: bool) -> NDArray[Any]:
        """Learn the kind of the targets, and return them as a ``Task`` takes them."""

    @abstractmethod
    def _encoded(self, y: Any) -> NDArray[Any]:
        """Return targets like those learned before as a ``Task`` takes them."""

    @abstractmethod
    def _output(self) -> str:
        """Return ``out_activation_``."""

    @abstractmethod
    def _score(self, outputs: FloatArray, targets: NDArray[Any], sample_weight: FloatArray | None) -> float:
        """Return the score of outputs; higher is better."""

    def _known(self, y: Any) -> Any:
        """Return the targets of a validation set; raise InvalidArgument if no network could predict them."""
        return y

    def _class_weights(self, y: Any, *, incremental: bool) -> FloatArray | None:
        """Return the weight of each row's class."""
        return None

    def _stratifies(self) -> bool:
        """Whether the held-out rows have each class in proportion."""
        return False


def _in_type(parameters: Parameters, dtype: np.dtype[Any]) -> Parameters:
    return [(weight.astype(dtype, copy=False), bias.astype(dtype, copy=False)) for weight, bias in parameters]
