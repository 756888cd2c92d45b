"""One training loop a file, and what loops share: rollouts, batches, logs, checkpoints, self-checks."""
