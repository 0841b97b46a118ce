"""Training: the loop over epochs, history, callbacks, progress, checkpoints and run folders."""
