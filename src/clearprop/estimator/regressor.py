"""MLPRegressor: scikit-learn's regressor, fitted by Clearprop."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if

from clearprop.estimator.base import FloatArray, MultilayerPerceptron
from clearprop.estimator.parameters import REGRESSOR_CONSTRAINTS, check_parameters
from clearprop.utils.errors import InvalidArgument


class MLPRegressor(RegressorMixin, MultilayerPerceptron):  # type: ignore[misc]
    """Multilayer perceptron that predicts numbers: scikit-learn's interface, Clearprop's engines.

    Parameters and attributes are those of ``sklearn.neural_network.MLPRegressor``.

    Parameters
    ----------
    loss : {'squared_error', 'poisson'}, default='squared_error'
        Half the squared error, or half the Poisson deviance, whose predictions are exponentials and whose
        targets must not be negative.
    hidden_layer_sizes : int or array-like of shape (n_layers - 2,), default=(100,)
        Units of each hidden layer.
    activation : str or list of str, default='relu'
        ``'identity'``, ``'logistic'``, ``'tanh'``, ``'relu'`` or another of ``clearprop.nn.activations``; or
        one of them for each hidden layer.
    solver : str, default='adam'
        ``'adam'``, ``'sgd'``, ``'lbfgs'`` (SciPy's, on all rows at once), ``'adamw'`` (adam with a decay that
        stays apart from the gradient), ``'momentum'`` or ``'nesterov'`` (sgd with that kind of momentum).
    alpha : float, default=0.0001
        Strength of the L2 penalty on the weights: the loss of a batch gains alpha / 2 Σ w² / n. For
        ``'adamw'`` it is the decay itself: weights and biases shrink by learning rate times alpha a step.
    batch_size : int or 'auto', default='auto'
        Rows a step; ``'auto'`` is min(200, n_samples). Not used by ``'lbfgs'``.
    learning_rate : {'constant', 'invscaling', 'adaptive'}, default='constant'
        For ``'sgd'``, ``'momentum'`` and ``'nesterov'``: keep the rate, or divide it by pow(t, power_t), or
        divide it by 5 whenever training no longer gets better.
    learning_rate_init : float, default=0.001
        The learning rate at first. Not used by ``'lbfgs'``.
    power_t : float, default=0.5
        The exponent of ``learning_rate='invscaling'``.
    max_iter : int, default=200
        Epochs at most; of ``'lbfgs'``, iterations.
    shuffle : bool, default=True
        Whether the rows are put in a new order for every epoch.
    random_state : int, RandomState instance or None, default=None
        Draws the first weights, the rows set aside, their order and dropout. The same one draws the same
        numbers as in scikit-learn.
    tol : float, default=1e-4
        The progress of loss or score that counts.
    verbose : bool, default=False
        Print the loss of every epoch.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last ``fit``.
    momentum : float, default=0.9
        Share of the last step that goes into the next one, for the solvers that have it.
    nesterovs_momentum : bool, default=True
        Whether the momentum of ``'sgd'`` is Nesterov's.
    early_stopping : bool, default=False
        Set aside some rows, stop when their score no longer gets better, and go back to the best weights.
    validation_fraction : float, default=0.1
        Share of the rows that ``early_stopping`` sets aside.
    beta_1, beta_2 : float, default=0.9 and 0.999
        How slowly ``'adam'`` and ``'adamw'`` forget gradients and their squares.
    epsilon : float, default=1e-8
        Keeps ``'adam'`` and ``'adamw'`` from dividing by zero.
    n_iter_no_change : int, default=10
        Epochs in a row without progress by ``tol`` that are borne.
    max_fun : int, default=15000
        Evaluations of the loss at most, for ``'lbfgs'``.
    dropout : float, default=0.0
        Share of the hidden units left out in each step. Beyond scikit-learn, as all that follow.
    schedule : {'constant', 'step', 'cosine', 'one_cycle'}, default='constant'
        What the learning rate is multiplied by as ``max_iter`` epochs go by.
    initialization : str, default='auto'
        ``'auto'`` draws the first weights as scikit-learn does; ``'glorot_uniform'``, ``'glorot_normal'``,
        ``'he_uniform'``, ``'he_normal'`` and ``'torch_default'`` as their names say.
    engine : {'numpy', 'torch'}, default='numpy'
        What does the arithmetic of ``fit``.
    device : str, default='auto'
        ``'auto'``, ``'cpu'``, ``'cuda'`` or ``'mps'``; all but the CPU need ``engine='torch'``.
    callbacks : list of clearprop.Callback or None, default=None
        Called after every batch and epoch.
    restore_best : bool or None, default=None
        Whether ``fit`` ends with the weights of the best epoch, by the validation score where there is one
        and else by the loss; None does so with ``early_stopping``.

    Attributes
    ----------
    loss_ : float
        The loss at the end of training.
    best_loss_ : float or None
        The lowest loss of an epoch; None with ``early_stopping``. Not of ``'lbfgs'``, as all down to
        ``history_``.
    loss_curve_ : list of float
        The loss of every epoch.
    validation_scores_ : list of float or None
        The R² of the validation set after every epoch, if there is one.
    best_validation_score_ : float or None
        The highest of them.
    history_ : clearprop.History
        All that the last fit measured, batch by batch. Beyond scikit-learn.
    t_ : int
        Rows seen in training, each counted every time.
    coefs_ : list of ndarray (fan_in, fan_out)
        The weights of each layer; predictions follow what is set here.
    intercepts_ : list of ndarray (fan_out,)
        The biases of each layer.
    n_features_in_ : int
        Features of a row.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where all are strings.
    n_iter_ : int
        Epochs, or iterations of ``'lbfgs'``.
    n_layers_ : int
        Layers, input and output included.
    n_outputs_ : int
        Outputs of the network.
    out_activation_ : str
        What the outputs pass through: ``'identity'`` or ``'exp'``.

    See Also
    --------
    MLPClassifier : Tells classes apart instead.

    References
    ----------
    Rumelhart, Hinton and Williams (1986), "Learning representations by back-propagating errors".

    Examples
    --------
    >>> from clearprop import MLPRegressor
    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(n_samples=200, n_features=5, random_state=1)
    >>> regressor = MLPRegressor(solver="lbfgs", max_iter=500, random_state=1).fit(X[:150], y[:150])
    >>> bool(regressor.score(X[150:], y[150:]) > 0.95)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = dict(REGRESSOR_CONSTRAINTS)
    _targets_are_numbers = True

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: Any = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: Any = 0.001,
        power_t: Any = 0.5,
        max_iter: Any = 200,
        shuffle: Any = True,
        random_state: Any = None,
        tol: Any = 1e-4,
        verbose: Any = False,
        warm_start: Any = False,
        momentum: Any = 0.9,
        nesterovs_momentum: Any = True,
        early_stopping: Any = False,
        validation_fraction: Any = 0.1,
        beta_1: Any = 0.9,
        beta_2: Any = 0.999,
        epsilon: Any = 1e-8,
        n_iter_no_change: Any = 10,
        max_fun: Any = 15000,
        dropout: Any = 0.0,
        schedule: Any = "constant",
        initialization: Any = "auto",
        engine: Any = "numpy",
        device: Any = "auto",
        callbacks: Any = None,
        restore_best: Any = None,
    ) -> None:
        super().__init__(
            loss=loss,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            dropout=dropout,
            schedule=schedule,
            initialization=initialization,
            engine=engine,
            device=device,
            callbacks=callbacks,
            restore_best=restore_best,
        )

    def predict(self, X: Any) -> FloatArray:
        """Predict the values of each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        outputs = self._forward(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    @available_if(lambda estimator: estimator._check_solver())  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train one epoch on some rows, from where the last one ended.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        self : object
            The trained estimator.
        """
        if not hasattr(self, "coefs_"):
            check_parameters(self)
        return self._fit(X, y, sample_weight, incremental=True)

    def _learned_targets(self, y: Any, *, incremental: bool) -> NDArray[Any]:
        targets = self._encoded(y)
        self.n_outputs_ = targets.shape[1]
        return targets

    def _encoded(self, y: Any) -> NDArray[Any]:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and y.min() < 0:
            raise InvalidArgument(
                f'y holds {y.min():g}, but loss="poisson" learns counts and rates; give numbers of 0 or more.'
            )
        targets: NDArray[Any] = y.reshape(len(y), -1)
        return targets

    def _output(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _loss_divisor(self) -> int:
        # scikit-learn tells the mean over the outputs, and descends the sum
        return self.n_outputs_ if self.loss == "squared_error" else 1

    def _score(self, outputs: FloatArray, targets: NDArray[Any], sample_weight: FloatArray | None) -> float:
        if not np.isfinite(outputs).all():
            return np.nan
        return float(r2_score(targets, outputs, sample_weight=sample_weight))
