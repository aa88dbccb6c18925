"""The files of a model: what the registry keeps of a training, and how a scorer is read from them again."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from paylake.contracts.fraud import REASON_TEXTS
from paylake.errors import SourceError
from paylake.fraud.drift import Reference, Spread
from paylake.fraud.features import FEATURES, FEATURES_VERSION, NAMES
from paylake.fraud.model_card import model_card
from paylake.fraud.scorer import BoostedTrees, Calibration, Thresholds
from paylake.fraud.training import Trained

SCORER, TREES, COMPILED, REFERENCE = "scorer.json", "trees.ubj", "compiled.onnx", "drift_reference.json"


def write_scorer(folder: Path, model: BoostedTrees) -> None:
    """What it takes to score: scorer.json, trees.ubj, and compiled.onnx once there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {
        "features_version": model.features_version,
        "features": NAMES,
        "thresholds": asdict(model.thresholds),
        "calibration": asdict(model.calibration),
        "trained_until_ms": model.trained_until_ms,
    }
    _write_json(folder / SCORER, said)
    (folder / TREES).write_bytes(model.booster)
    if model.compiled:
        (folder / COMPILED).write_bytes(model.compiled)


def read_scorer(folder: Path, name: str, version: str) -> BoostedTrees:
    """The scorer of a folder, loaded. Raises SourceError where it cannot be, or learnt from other features."""
    named = f"the model {name}, version {version}"
    try:
        said = json.loads((folder / SCORER).read_text(encoding="utf-8"))
        calibration = said["calibration"]
        model = BoostedTrees(
            name=name,
            version=version,
            features_version=str(said["features_version"]),
            thresholds=Thresholds(**said["thresholds"]),
            calibration=Calibration(
                calibration["slope"], calibration["intercept"], tuple(calibration["at"]), tuple(calibration["share"])
            ),
            booster=(folder / TREES).read_bytes(),
            compiled=(folder / COMPILED).read_bytes() if (folder / COMPILED).exists() else b"",
            trained_until_ms=int(said["trained_until_ms"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        said_why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(f"Cannot read the files of {named}: {said_why}; promote another version, or train anew.") from None
    if model.features_version != FEATURES_VERSION:
        raise SourceError(
            f"{named[0].upper()}{named[1:]} learnt from the features {model.features_version}, but these are "
            f"{FEATURES_VERSION}: train a model of these features and promote it."
        )
    return model.loaded()


def write_training(folder: Path, trained: Trained, facts: Mapping[str, str]) -> None:
    """What people read: the card, curves as pictures and tables, folds, features with their reasons, the drift reference."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model_card.md").write_text(model_card(trained, facts), encoding="utf-8")
    _write_csv(
        folder / "features.csv",
        ("feature", "role", "share_of_gain", "reason", "doc"),
        ((f.name, f.role, trained.weights.get(f.name, 0.0), f.reason, f.doc) for f in FEATURES),
    )
    _write_json(folder / "reasons.json", {f.name: {"code": f.reason, "text": REASON_TEXTS[f.reason]} for f in FEATURES})
    _write_json(
        folder / REFERENCE,
        {
            "flagged": trained.reference.flagged,
            "spreads": {name: asdict(spread) for name, spread in trained.reference.spreads.items()},
        },
    )
    _write_csv(
        folder / "folds.csv",
        ("test_from_ms", "test_until_ms", "train_payments", "train_frauds", "test_payments", "test_frauds", "champion",
         "is_fair", *trained.folds[0].measures),
        ((f.test_from_ms, f.test_until_ms, f.train_payments, f.train_frauds, f.test_payments, f.test_frauds, f.champion,
          f.is_fair, *f.measures.values()) for f in trained.folds),
    )  # fmt: skip
    _write_csv(
        folder / "money.csv",
        ("currency", "frauds", "declined", "flagged", "savings"),
        ((m.currency, m.frauds, m.declined, m.flagged, m.savings) for m in trained.money),
    )
    _write_curves(folder / "curves", trained)


def read_reference(folder: Path) -> Reference:
    """The drift reference of a folder; SourceError where it cannot be read."""
    try:
        said = json.loads((folder / REFERENCE).read_text(encoding="utf-8"))
        spreads = {name: Spread(tuple(spread["edges"]), tuple(spread["shares"])) for name, spread in said["spreads"].items()}
        return Reference(spreads, float(said["flagged"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"Cannot read the drift reference {folder / REFERENCE}: {error}; train anew.") from None


def _write_curves(folder: Path, trained: Trained) -> None:
    from matplotlib.figure import Figure

    folder.mkdir(exist_ok=True)
    points, bins = trained.curves.precision_recall, trained.curves.calibration
    _write_csv(folder / "precision_recall.csv", ("threshold", "precision", "recall"), points)
    _write_csv(folder / "calibration.csv", ("mean_score", "share_of_frauds", "payments"), bins)
    for name, x, y, lines in (
        ("precision_recall", "recall", "precision", [([p[2] for p in points], [p[1] for p in points], "-")]),
        ("calibration", "mean score", "share of frauds",
         [([b[0] for b in bins], [b[1] for b in bins], "o-"), ([0, bins[-1][0]], [0, bins[-1][0]], ":")]),
    ):  # fmt: skip
        figure = Figure(figsize=(5, 4), layout="constrained")
        axes = figure.add_subplot(xlabel=x, ylabel=y)
        for across, up, style in lines:
            axes.plot(across, up, style, color="tab:blue" if style != ":" else "grey")
        figure.savefig(folder / f"{name}.png", dpi=100)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)
