"""The estimators: scikit-learn's multilayer perceptrons by name and behaviour, fitted by Clearprop."""

from clearprop.estimator.classifier import MLPClassifier
from clearprop.estimator.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
