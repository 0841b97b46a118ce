"""Documentation of the fitted attributes that both estimators have."""

from __future__ import annotations

#: In NumPy style, for the section "Attributes".
ATTRIBUTES = """\
loss_ : float
    The loss at the end of training.
best_loss_ : float or None
    The lowest loss of an epoch; None with ``early_stopping``. ``'lbfgs'`` sets neither this nor the
    attributes down to ``history_``.
loss_curve_ : list of float
    The loss of every epoch.
validation_scores_ : list of float or None
    The validation set's score after every epoch, if there is one: accuracy, of ``MLPRegressor`` R².
best_validation_score_ : float or None
    The highest of them.
history_ : clearprop.History
    The losses and scores of the last fit, epoch by epoch and batch by batch; a pickle has no batch losses.
    Beyond scikit-learn.
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
    Outputs of the network."""
