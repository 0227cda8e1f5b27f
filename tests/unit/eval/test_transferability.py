"""The evidence of a linear model, against its closed form; and pairs that belong together."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from xret.eval.transferability import log_evidence, pair_transferability


def exact(features: np.ndarray, labels: np.ndarray, alpha: float, beta: float) -> float:
    """Log density of the labels, whose covariance is that of weights and noise together."""
    n = len(labels)
    covariance = features @ features.T / alpha + np.eye(n) / beta
    return float(multivariate_normal(np.zeros(n), covariance).logpdf(labels)) / n


def test_the_evidence_is_that_of_the_likeliest_precisions() -> None:
    random = np.random.default_rng(3)
    for n, d in ((40, 6), (12, 20)):
        features = random.normal(size=(n, d))
        labels = features @ random.normal(size=d) + 0.5 * random.normal(size=n)
        best = minimize(
            lambda logs, f=features, y=labels: -exact(f, y, *np.exp(logs)),
            np.zeros(2),
            method="Nelder-Mead",
        )
        assert abs(log_evidence(features, labels) + best.fun) < 0.02


def test_vectors_that_join_pairs_have_more_evidence_than_chance() -> None:
    random = np.random.default_rng(5)
    passages = random.normal(size=(60, 16)).astype("f4")
    passages /= np.linalg.norm(passages, axis=1, keepdims=True)
    scores = []
    for noise in (0.05, 0.3, 10.0):
        questions = passages + noise * random.normal(size=passages.shape).astype("f4")
        questions /= np.linalg.norm(questions, axis=1, keepdims=True)
        scores.append(pair_transferability(questions.astype("f4"), passages))
    assert scores[0] > scores[1] > scores[2]
