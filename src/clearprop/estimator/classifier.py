"""MLPClassifier: scikit-learn's classifier, fitted by Clearprop."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted

from clearprop.estimator.attributes import ATTRIBUTES
from clearprop.estimator.base import FloatArray, MultilayerPerceptron
from clearprop.estimator.checks import check_parameters
from clearprop.estimator.class_weights import is_balanced, row_weights
from clearprop.estimator.declaration import declares_parameters, parameter
from clearprop.estimator.labels import BINARY, MULTICLASS, dense, learn_labels
from clearprop.utils.errors import InvalidArgument

#: Of labels that are wrong, how many an error names.
MOST_NAMED = 3


@declares_parameters(attributes=ATTRIBUTES)
class MLPClassifier(ClassifierMixin, MultilayerPerceptron):  # type: ignore[misc]
    """Multilayer perceptron that tells classes apart: scikit-learn's interface, Clearprop's engines.

    Two classes are told apart by a sigmoid output, more by a softmax, label indicators by a sigmoid each.
    The loss is the cross-entropy. Parameters and attributes are those of
    ``sklearn.neural_network.MLPClassifier``.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, in the order of the probabilities.
    {attributes}
    out_activation_ : str
        The function of the outputs: ``'logistic'`` or ``'softmax'``.

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

    label_smoothing: Any = parameter(
        default=0.0,
        allowed=[Interval(Real, 0, 1, closed="left")],
        kind="float",
        doc="Fraction of every target that is spread evenly over the classes.",
    )
    class_weight: Any = parameter(
        default=None,
        allowed=[dict, list, StrOptions({"balanced"}), None],
        kind="dict, 'balanced' or None",
        doc="The weight of each class, 1 if a dict does not name it; ``'balanced'`` is n_samples / "
        "(n_classes · rows of the class). Label indicators take a list with a dict for each label.",
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
        if incremental and is_balanced(self.class_weight):
            raise InvalidArgument(
                'class_weight is "balanced", but partial_fit sees too few rows to know how frequent each '
                "class is; give a dict of weights."
            )
        return row_weights(self.class_weight, dense(y) if sparse.issparse(y) else _column(y), self._labels)

    def _stratifies(self) -> bool:
        return self._labels.kind == BINARY

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _column(y: Any) -> Any:
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
