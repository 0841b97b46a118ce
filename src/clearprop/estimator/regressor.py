"""MLPRegressor: scikit-learn's regressor, fitted by Clearprop."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if

from clearprop.estimator.attributes import ATTRIBUTES
from clearprop.estimator.base import FloatArray, MultilayerPerceptron
from clearprop.estimator.checks import check_parameters
from clearprop.estimator.declaration import declares_parameters
from clearprop.estimator.parameters import RegressionLoss
from clearprop.utils.errors import InvalidArgument


@declares_parameters(attributes=ATTRIBUTES)
class MLPRegressor(RegressorMixin, MultilayerPerceptron, RegressionLoss):  # type: ignore[misc]
    """Multilayer perceptron that predicts numbers: scikit-learn's interface, Clearprop's engines.

    Parameters and attributes are those of ``sklearn.neural_network.MLPRegressor``.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}
    out_activation_ : str
        The function of the outputs: ``'identity'`` or ``'exp'``.

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

    _targets_are_numbers = True

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
