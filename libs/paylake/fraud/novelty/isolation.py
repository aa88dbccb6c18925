"""The isolation forest: a payment is unusual where few random cuts set it apart. scikit-learn trains it, numpy runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from paylake.errors import SettingsError
from paylake.fraud.novelty.vectors import Floats, Ints, Scale, Vectors

CONTAMINATION = 0.1
"""The share of payments that is looked at as unusual."""
TREES = 200
AT_ONCE = 2_048
"""Payments that go down the trees together."""


@dataclass(frozen=True)
class IsolationForest:
    """A trained forest, its nodes one after another, and the scale of what it sees.

    At a node what is not above `cut` of `feature` goes to `left`, the rest to `right`; a leaf leads to itself, and `length`
    says how many cuts it takes to get a payment alone there. `usual` is what it takes of a payment like the others, and
    `offset` the score from which on one is unusual.
    """

    scale: Scale
    roots: Ints
    feature: Ints
    cut: Floats
    left: Ints
    right: Ints
    length: Floats
    depth: int
    usual: float
    offset: float
    name: str = "isolation forest"

    def decisions(self, of: Vectors) -> Floats:
        """scikit-learn's decision function: positive for usual payments, negative for the share of contamination."""
        seen = self.scale(of.matrix)
        parts = [self._lengths(seen[at : at + AT_ONCE]) for at in range(0, len(seen), AT_ONCE)]
        return -(2 ** (-np.concatenate([np.zeros(0), *parts]) / self.usual)) - self.offset

    def errors(self, of: Vectors) -> Floats:
        """The same with the sign turned: more for the more unusual."""
        return -self.decisions(of)

    def residuals(self, of: Vectors) -> Floats:
        """The standardised features: a forest expects the mean."""
        return self.scale.residuals(of.matrix)

    def _lengths(self, seen: np.ndarray[Any, np.dtype[np.float32]]) -> Floats:
        """The mean number of cuts over the trees."""
        rows = np.arange(len(seen))[:, None]
        node = np.broadcast_to(self.roots, (len(seen), len(self.roots)))
        for _ in range(self.depth):
            goes_left = seen[rows, self.feature[node]] <= self.cut[node]
            node = np.where(goes_left, self.left[node], self.right[node])
        return np.asarray(self.length[node].mean(axis=1), float)


def train_isolation_forest(of: Vectors, contamination: float = CONTAMINATION, seed: int = 0) -> IsolationForest:
    """The forest of payments; SettingsError where scikit-learn is missing, or the contamination is no share."""
    check_contamination(contamination)
    try:
        from sklearn.ensemble import IsolationForest as Forest
    except ModuleNotFoundError:
        raise SettingsError("An isolation forest takes scikit-learn: pip install 'paylake[fraud]'.") from None
    scale = Scale.of(of.matrix)
    forest = Forest(n_estimators=TREES, contamination=contamination, random_state=seed, n_jobs=1)
    return flattened(scale, forest.fit(scale(of.matrix)))


def check_contamination(contamination: float) -> None:
    """Raise SettingsError for a contamination that is no share."""
    if not 0 < contamination <= 0.5:
        raise SettingsError(f"contamination: {contamination} is not above 0 and at most 0.5; 0.1 is one payment in ten.")


def flattened(scale: Scale, forest: Any) -> IsolationForest:
    """scikit-learn's forest as arrays."""
    trees = [one.tree_ for one in forest.estimators_]
    roots = np.concatenate([[0], np.cumsum([tree.node_count for tree in trees])[:-1]])
    parts = []
    for root, tree in zip(roots, trees, strict=True):
        own, is_leaf = root + np.arange(tree.node_count), tree.children_left < 0
        left, right = (np.where(is_leaf, own, root + to) for to in (tree.children_left, tree.children_right))
        parts.append((np.where(is_leaf, 0, tree.feature), tree.threshold, left, right, _lengths(tree)))
    feature, cut, left, right, length = (np.concatenate(column) for column in zip(*parts, strict=True))
    return IsolationForest(
        scale, roots.astype(np.int64), feature.astype(np.int64), cut, left, right, length,
        depth=max(int(tree.max_depth) for tree in trees), usual=float(cuts_to_set_apart(np.array([forest.max_samples_]))[0]),
        offset=float(forest.offset_),
    )  # fmt: skip


def _lengths(tree: Any) -> Floats:
    """Of each node of a tree how deep it lies, and how many cuts its payments would still take."""
    depth = np.zeros(tree.node_count)
    for node in range(tree.node_count):
        for child in (tree.children_left[node], tree.children_right[node]):
            if child >= 0:
                depth[child] = depth[node] + 1
    return np.asarray(depth + cuts_to_set_apart(tree.n_node_samples), float)


def cuts_to_set_apart(count: np.ndarray[Any, np.dtype[Any]]) -> Floats:
    """How many random cuts it takes on average to get one of so many payments alone (Liu, Ting and Zhou, 2008)."""
    many = np.maximum(count, 3).astype(float)
    found = 2 * (np.log(many - 1) + np.euler_gamma) - 2 * (many - 1) / many
    return np.where(count <= 1, 0.0, np.where(count == 2, 1.0, found))
