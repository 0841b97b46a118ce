"""MLPClassifier: scikit-learn's classifier, fitted by Clearprop."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted

from clearprop.estimator.base import FloatArray, MultilayerPerceptron
from clearprop.estimator.labels import BINARY, MULTICLASS, Labels, dense, learn_labels
from clearprop.estimator.parameters import CLASSIFIER_CONSTRAINTS, check_parameters
from clearprop.utils.arguments import check_number
from clearprop.utils.errors import InvalidArgument

#: Of labels that are wrong, how many an error names.
MOST_NAMED = 3


class MLPClassifier(ClassifierMixin, MultilayerPerceptron):  # type: ignore[misc]
    """Multilayer perceptron that tells classes apart: scikit-learn's interface, Clearprop's engines.

    Two classes are told apart by a sigmoid output, more by a softmax, label indicators by a sigmoid each.
    The loss is the cross-entropy. Parameters and attributes are those of
    ``sklearn.neural_network.MLPClassifier``.

    Parameters
    ----------
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
    label_smoothing : float, default=0.0
        Share of every target that is spread evenly over the classes.
    class_weight : dict, 'balanced' or None, default=None
        How much each class counts; ``'balanced'`` counts them by n_samples / (n_classes · rows of the class).
        Label indicators take a list with a dict for each label.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, in the order of the probabilities.
    loss_ : float
        The loss at the end of training.
    best_loss_ : float or None
        The lowest loss of an epoch; None with ``early_stopping``. Not of ``'lbfgs'``, as all down to
        ``history_``.
    loss_curve_ : list of float
        The loss of every epoch.
    validation_scores_ : list of float or None
        The accuracy of the validation set after every epoch, if there is one.
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
        What the outputs pass through: ``'logistic'`` or ``'softmax'``.

    See Also
    --------
    MLPRegressor : Predicts numbers instead.
    clearprop.train : The same training for data sets of images, with progress and reports.

    References
    ----------
    Rumelhart, Hinton and Williams (1986), "Learning representations by back-propagating errors".

    Examples
    --------
    >>> from clearprop import MLPClassifier
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    >>> classifier = MLPClassifier(max_iter=100, tol=1e-3, random_state=0).fit(X_train, y_train)
    >>> bool(classifier.score(X_test, y_test) > 0.95)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = dict(CLASSIFIER_CONSTRAINTS)
    _labels: Labels

    def __init__(
        self,
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
        label_smoothing: Any = 0.0,
        class_weight: Any = None,
    ) -> None:
        super().__init__(
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
            label_smoothing=label_smoothing,
            class_weight=class_weight,
        )

    def predict(self, X: Any) -> Any:
        """Predict the class of each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), or indicators (n_samples, n_classes)
        """
        check_is_fitted(self)
        return self._labels.decode(self._forward(X))

    def predict_proba(self, X: Any) -> FloatArray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``; for label indicators, of each label by itself.
        """
        outputs = self._forward(X)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: Any) -> FloatArray:
        """Predict the logarithm of each class's probability.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        probabilities = self.predict_proba(X)
        # log 0 is -∞
        with np.errstate(divide="ignore"):
            return np.log(probabilities, out=probabilities)

    @available_if(lambda estimator: estimator._check_solver())  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train one epoch on some rows, from where the last one ended.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), or indicators (n_samples, n_classes)
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.
        classes : array-like of shape (n_classes,), default=None
            All classes there will ever be; needed in the first call.

        Returns
        -------
        self : object
            The trained estimator.
        """
        if not hasattr(self, "coefs_"):
            check_parameters(self)
        if _check_partial_fit_first_call(self, classes):
            of_labels = type_of_target(y).startswith("multilabel")
            self._labels = learn_labels(y if of_labels else classes)
        return self._fit(X, y, sample_weight, incremental=True)

    def _learned_targets(self, y: Any, *, incremental: bool) -> NDArray[Any]:
        y = _column(y)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._labels = learn_labels(y)
            self.classes_ = self._labels.classes
        else:
            classes = unique_labels(y)
            if self.warm_start and set(classes) != set(self.classes_):
                raise InvalidArgument(
                    "warm_start can only be used where `y` has the same classes as in the previous call to "
                    f"fit. Previously got {self.classes_}, `y` has {classes}"
                )
            if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
                raise InvalidArgument(
                    f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has "
                    f"{classes}."
                )
        self.n_outputs_ = self._labels.n_outputs
        return self._labels.encode(y)

    def _encoded(self, y: Any) -> NDArray[Any]:
        return self._labels.encode(_column(y))

    def _known(self, y: Any) -> Any:
        if not type_of_target(y).startswith("multilabel"):
            known = set(self.classes_.tolist())
            unknown = [label for label in dict.fromkeys(_column(y).tolist()) if label not in known]
            if unknown:
                named = ", ".join(map(repr, unknown[:MOST_NAMED]))
                more = f" and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
                raise InvalidArgument(
                    f"validation_data has labels that y has not: {named}{more}; leave their rows out, or "
                    "give rows of these classes in y too."
                )
        return y

    def _output(self) -> str:
        return "softmax" if self._labels.kind == MULTICLASS else "logistic"

    def _score(self, outputs: FloatArray, targets: NDArray[Any], sample_weight: FloatArray | None) -> float:
        right = self._labels.codes(outputs) == targets
        # a row counts as right if all its labels are
        return float(np.average(right.reshape(len(right), -1).all(axis=1), weights=sample_weight))

    def _class_weights(self, y: Any, *, incremental: bool) -> FloatArray | None:
        if self.class_weight is None:
            return None
        if incremental and self.class_weight == "balanced":
            raise InvalidArgument(
                'class_weight is "balanced", but partial_fit sees too few rows to know how frequent each '
                "class is; give a dict of weights."
            )
        _check_class_weight(self.class_weight)
        weights: FloatArray = compute_sample_weight(
            self.class_weight, dense(y) if sparse.issparse(y) else _column(y)
        )
        return weights

    def _stratifies(self) -> bool:
        return self._labels.kind == BINARY

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _check_class_weight(given: Any) -> None:
    """Raise InvalidArgument unless every class that is named weighs a number from 0 on."""
    if isinstance(given, list) and given:
        # of several labels each has its own
        fields = {f"class_weight[{label}]": its for label, its in enumerate(given)}
    else:
        fields = {"class_weight": given}
    for field, of_label in fields.items():
        if isinstance(of_label, dict):
            for name, weight in of_label.items():
                check_number(f"{field}[{name!r}]", weight, minimum=0)
        elif of_label not in (None, "balanced"):
            raise InvalidArgument(f'{field} is {of_label!r}, but must be a dict of weights or "balanced".')


def _column(y: Any) -> Any:
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
