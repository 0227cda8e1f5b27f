"""How easily what an encoder says of pairs tells the right ones from wrong ones, without training.

LogME (You et al. 2021) is the evidence of a Bayesian linear model from features to labels, at its
best precisions. Here a feature is the elementwise product of a question's and a passage's vector,
of which a trained similarity would be a weighted sum, and the label whether they belong together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from xret.types import FloatArray

__all__ = ["log_evidence", "pair_transferability"]

ROUNDS = 20
_TOLERANCE = 1e-3


def pair_transferability(questions: FloatArray, passages: FloatArray, *, seed: int = 0) -> float:
    """LogME of true pairs against as many wrong ones; higher is better.

    questions, passages: (n, d), row i of one answered by row i of the other; n >= 2.
    """
    n = len(questions)
    shift = int(np.random.default_rng(seed).integers(1, n))
    right, wrong = questions * passages, questions * np.roll(passages, shift, axis=0)
    features = np.concatenate([right, wrong]).astype(np.float64) * np.sqrt(questions.shape[1])
    labels = np.concatenate([np.ones(n), np.zeros(n)])
    return log_evidence(features, labels - labels.mean())


def log_evidence(features: npt.NDArray[np.float64], labels: npt.NDArray[np.float64]) -> float:
    """Log evidence a sample of a linear model with its likeliest precisions (LogME, algorithm 3).

    features: (n, d). labels: (n,).
    """
    n, d = features.shape
    _, singular, right = np.linalg.svd(features, full_matrices=False)
    squares = singular**2
    projected = right @ (features.T @ labels)
    alpha = beta = 1.0
    mean, residual = np.zeros(len(projected)), 0.0
    for _ in range(ROUNDS):
        gamma = float(np.sum(beta * squares / (alpha + beta * squares)))
        mean = beta * projected / (alpha + beta * squares)
        weight = float(mean @ mean)
        residual = float(np.sum((features @ (right.T @ mean) - labels) ** 2))
        before = alpha / beta
        alpha = gamma / (weight + 1e-12)
        beta = (n - gamma) / (residual + 1e-12)
        if abs(alpha / beta - before) <= _TOLERANCE * before:
            break
    rest = (d - len(squares)) * np.log(alpha)
    determinant = float(np.sum(np.log(alpha + beta * squares)) + rest)
    evidence = (d * np.log(alpha) + n * np.log(beta) - n * np.log(2 * np.pi) - determinant) / 2
    evidence -= (beta * residual + alpha * float(mean @ mean)) / 2
    return float(evidence / n)
