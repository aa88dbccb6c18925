"""What gives payments a probability of fraud: the same three methods for the scorecard and for trained trees.

Needs numpy alone to be imported: it travels to Spark's Python workers. Trees load their library when they are first used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from paylake.errors import SourceError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """Calibrated probabilities from which on a payment is suspicious, and fraudulent."""

    suspicious: float
    fraudulent: float


class Scorer(Protocol):
    """A model of fraud. The columns of a matrix are the features, in the order of `features.NAMES`; NaN is not known."""

    @property
    def name(self) -> str:
        """What it is called in the rows that it scored."""

    @property
    def version(self) -> str:
        """Its version there."""

    @property
    def features_version(self) -> str:
        """Version of the features' definitions that it learnt from."""

    @property
    def thresholds(self) -> Thresholds:
        """From which scores on payments are suspicious and fraudulent."""

    def scores(self, matrix: Floats) -> Floats:
        """The calibrated probability of fraud of each row, from 0 to 1."""

    def contributions(self, matrix: Floats) -> Floats:
        """What each feature of each row adds to the log-odds of fraud; one row per row, one column per feature."""


@dataclass(frozen=True)
class Calibration:
    """From a model's log-odds to a probability: a logistic curve, in part replaced by steps with straight lines between.

    `slope` and `intercept` are Platt's. Where `at` and `share` are given, the probability is 99 parts of the line through
    these points (isotonic regression) and 1 part of the curve, so that a higher margin always is a higher probability.
    """

    slope: float = 1.0
    intercept: float = 0.0
    at: tuple[float, ...] = ()
    share: tuple[float, ...] = ()

    def __call__(self, margins: Floats) -> Floats:
        """Probabilities of fraud."""
        curve = _logistic(self.slope * margins + self.intercept)
        return 0.99 * np.interp(margins, self.at, self.share) + 0.01 * curve if self.at else curve


@dataclass(frozen=True)
class BoostedTrees:
    """XGBoost's trees, their compiled form for single rows, and how their margins become probabilities.

    `compiled` is empty until the model is promoted. `trained_until_ms` is the end of the last payment's millisecond that it
    learnt from or was calibrated on, of the Unix epoch.
    """

    name: str
    version: str
    features_version: str
    thresholds: Thresholds
    calibration: Calibration
    booster: bytes
    compiled: bytes = b""
    trained_until_ms: int = 0
    threads: int = 1

    def scores(self, matrix: Floats) -> Floats:
        """One calibrated probability per row: a single row by the compiled form, more by the trees themselves."""
        single = len(matrix) == 1 and bool(self.compiled)
        return self.calibration(self.compiled_margins(matrix) if single else self.margins(matrix))

    def margins(self, matrix: Floats) -> Floats:
        """Log-odds by XGBoost, before calibration."""
        if not len(matrix):
            return np.zeros(0)
        return np.asarray(self._trees.inplace_predict(as_seen(matrix), predict_type="margin"), float)

    def compiled_margins(self, matrix: Floats) -> Floats:
        """The same by ONNX Runtime."""
        return np.asarray(self._session.run(None, {"features": as_seen(matrix)})[0], float)[:, 0]

    def contributions(self, matrix: Floats) -> Floats:
        """Exact TreeSHAP, of the log-odds before calibration; with the base they add up to the margin."""
        return self.explained(matrix)[:, :-1]

    def explained(self, matrix: Floats) -> Floats:
        """The contributions, and in the last column the base to which they add."""
        if not len(matrix):
            return np.zeros((0, matrix.shape[1] + 1))
        from xgboost import DMatrix

        return np.asarray(self._trees.predict(DMatrix(as_seen(matrix), nthread=self.threads), pred_contribs=True), float)

    def gains(self) -> dict[int, float]:
        """What the splits at each feature, by its number, gained in training; features without a split are left out."""
        found = self._trees.get_score(importance_type="total_gain")
        return {int(name[1:]): float(gain) for name, gain in found.items()}

    @cached_property
    def _trees(self) -> Any:
        with _one_sentence(self, "xgboost", "the trees"):
            from xgboost import Booster

            trees = Booster(params={"nthread": self.threads})
            trees.load_model(bytearray(self.booster))
            return trees

    @cached_property
    def _session(self) -> Any:
        with _one_sentence(self, "onnxruntime", "the compiled form"):
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            return onnxruntime.InferenceSession(self.compiled, options, providers=["CPUExecutionProvider"])

    def __getstate__(self) -> dict[str, Any]:
        """Without what was loaded: each process loads its own."""
        return {name: value for name, value in vars(self).items() if name not in ("_trees", "_session")}

    def loaded(self) -> BoostedTrees:
        """Itself, once what it needs is loaded; SourceError where that fails."""
        _ = self._trees
        if self.compiled:
            _ = self._session
        return self


def as_seen(matrix: Floats) -> NDArray[np.float32]:
    """The features as the trees see them: in single precision, with what is not finite as not known."""
    with np.errstate(over="ignore"):
        seen = np.ascontiguousarray(matrix, dtype=np.float32)
    return np.where(np.isinf(seen), np.float32(np.nan), seen)


def _logistic(margins: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(margins, -500.0, 500.0)))


@contextmanager
def _one_sentence(model: BoostedTrees, library: str, what: str) -> Iterator[None]:
    named = f"{what} of the model {model.name}, version {model.version or 'unregistered'}"
    try:
        yield
    except ModuleNotFoundError:
        raise SourceError(f"To load {named} takes {library}: pip install 'paylake[fraud]'.") from None
    except Exception as error:  # the libraries share no class of errors
        said = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise SourceError(f"Cannot load {named}: {said}; promote another version, or train anew.") from None
