"""The registry: who reigns, who challenges, and what is said where something is not as it should be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from paylake import model_registry
from paylake.errors import ContractError, SourceError
from paylake.fraud import compiled
from paylake.fraud.features import FEATURES_VERSION, NAMES
from paylake.fraud.scorer import BoostedTrees
from paylake.fraud.training import Trained, train
from tests.unit.fraud.examples import DAYS, QUICK, end_of, examples

FACTS = {"table": "aggregate_index", "delta version": "3"}


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with MLflow's tables, which take seconds to make."""
    file = tmp_path_factory.mktemp("registry") / "mlflow.db"
    with model_registry._registry(f"sqlite:///{file}", may_make=True) as client:
        client.search_experiments()
    return file


@pytest.fixture
def uri(tmp_path: Path, empty_registry: Path) -> str:
    """A registry of the test's own, without a model."""
    shutil.copy(empty_registry, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture(scope="module")
def first() -> Trained:
    """A training without a champion."""
    return train(examples(), end_of(8), QUICK, DAYS)


def compared(trained: Trained, *, wins: bool) -> Trained:
    """The same, after it won or lost against a champion on every fold."""
    folds = tuple(replace(f, champion=0.0 if wins else 1.0) for f in trained.folds)
    return replace(trained, folds=folds)


def test_before_any_training_nobody_reigns_and_no_file_is_made(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert model_registry.champion(uri) is None
    assert model_registry.challenger(uri) is None
    assert model_registry.version_of(uri) is None
    assert list(tmp_path.iterdir()) == []


def test_the_first_model_reigns_once_it_is_compiled(uri: str, first: Trained) -> None:
    assert model_registry.register(uri, first, FACTS) == "1"
    assert (model_registry.version_of(uri), model_registry.version_of(uri, "challenger")) == (None, "1")
    model_registry.promote(uri, "1")
    assert (model_registry.version_of(uri), model_registry.version_of(uri, "challenger")) == ("1", None)
    champion = model_registry.champion(uri)
    assert isinstance(champion, BoostedTrees)
    assert champion.compiled == compiled.compiled(first.model.booster)
    assert replace(champion, compiled=b"", version="") == first.model
    assert (champion.name, champion.version, champion.features_version) == ("paylake-fraud", "1", FEATURES_VERSION)


def test_a_challenger_reigns_only_when_it_wins(uri: str, first: Trained) -> None:
    model_registry.promote(uri, model_registry.register(uri, first, FACTS))
    loser = model_registry.register(uri, compared(first, wins=False), FACTS)
    with pytest.raises(ContractError, match="Version 2 wins on 0 of 4 folds against version 1.*the champion stays"):
        model_registry.promote(uri, loser)
    assert model_registry.version_of(uri) == "1"
    assert model_registry.challenger(uri).version == "2"  # type: ignore[union-attr]
    winner = model_registry.register(uri, compared(first, wins=True), FACTS)
    model_registry.promote(uri, winner)
    assert model_registry.version_of(uri) == "3"
    # what was compared with a champion of yesterday has to be compared again
    with pytest.raises(ContractError, match="Version 2 was not compared with version 3, which reigns: train anew"):
        model_registry.promote(uri, "2")
    model_registry.promote(uri, "3")


def test_a_champion_of_before_reigns_again_at_once_and_no_other_version_does(uri: str, first: Trained) -> None:
    model_registry.promote(uri, model_registry.register(uri, first, FACTS))
    model_registry.promote(uri, model_registry.register(uri, compared(first, wins=True), FACTS))
    model_registry.register(uri, first, FACTS)
    assert model_registry.reinstate(uri, "1") == "2"
    assert model_registry.champion(uri).version == "1"  # type: ignore[union-attr]
    with pytest.raises(ContractError, match="Version 3 has never reigned"):
        model_registry.reinstate(uri, "3")
    with pytest.raises(SourceError, match="version=9.*not found"):
        model_registry.reinstate(uri, "9")
    assert model_registry.version_of(uri) == "1"


def test_a_model_whose_compiled_form_differs_does_not_reign(
    uri: str, first: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = compiled.compiled(train(examples(seed=3), end_of(8), QUICK, DAYS).model.booster)
    monkeypatch.setattr(compiled, "compiled", lambda _: other)
    version = model_registry.register(uri, first, FACTS)
    with pytest.raises(ContractError, match="The compiled form of paylake-fraud, version 1, differs"):
        model_registry.promote(uri, version)
    assert model_registry.version_of(uri) is None


def test_everything_that_must_be_known_of_a_model_is_kept(uri: str, first: Trained, tmp_path: Path) -> None:
    version = model_registry.register(uri, first, FACTS)
    files = {path.relative_to(tmp_path / "artifacts").as_posix().split("/artifacts/")[1]
             for path in (tmp_path / "artifacts").rglob("*") if path.is_file()}  # fmt: skip
    assert files >= {
        "model/MLmodel", "model/model.ubj", "scorer/scorer.json", "scorer/trees.ubj", "training/model_card.md",
        "training/features.csv", "training/reasons.json", "training/drift_reference.json", "training/folds.csv",
        "training/money.csv", "training/curves/precision_recall.csv", "training/curves/precision_recall.png",
        "training/curves/calibration.csv", "training/curves/calibration.png",
    }  # fmt: skip
    card = next((tmp_path / "artifacts").rglob("model_card.md")).read_text(encoding="utf-8")
    assert all(said in card for said in ("| delta version | 3 |", "SR 26-2", "average precision", FEATURES_VERSION))
    assert model_registry.reference_of(uri, version) == first.reference
    assert model_registry.tags_of(uri, version)["folds_won"] == "0 of 0"
    with model_registry._registry(uri) as client:
        run = client.get_run(client.get_model_version("paylake-fraud", version).run_id)
    mean, low, high = first.intervals["average_precision"]
    metrics = run.data.metrics
    assert [metrics[f"average_precision{end}"] for end in ("", "_low", "_high")] == [mean, low, high]
    assert run.data.tags["delta version"] == "3"
    assert (run.data.params["maturity"], run.data.params["trees"]) == ("0:00:00", "12")


def spoiled(scorer: Path) -> None:
    (scorer / "trees.ubj").write_bytes(b"no trees")


def without(scorer: Path) -> None:
    (scorer / "scorer.json").unlink()


def of_other_features(scorer: Path) -> None:
    said = json.loads((scorer / "scorer.json").read_text(encoding="utf-8"))
    (scorer / "scorer.json").write_text(json.dumps(said | {"features_version": "0ld"}), encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoiled, "Cannot load the trees of the model paylake-fraud, version 1: .*promote another version, or train anew"),
        (without, "Cannot read the files of the model paylake-fraud, version 1: "),
        (of_other_features, "The model paylake-fraud, version 1 learnt from the features 0ld, but these are .*: train"),
    ],
)
def test_a_model_that_cannot_be_used_says_so(
    uri: str, first: Trained, tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    model_registry.promote(uri, model_registry.register(uri, first, FACTS))
    spoil(next((tmp_path / "artifacts").rglob("scorer")))
    with pytest.raises(SourceError, match=said):
        model_registry.champion(uri)
    assert model_registry.comparable_champion(uri) is None
    # whoever only asks for the version is not disturbed
    assert model_registry.version_of(uri) == "1"


def test_a_model_that_replaces_one_of_other_features_need_not_beat_it(uri: str, first: Trained, tmp_path: Path) -> None:
    model_registry.promote(uri, model_registry.register(uri, first, FACTS))
    of_other_features(next((tmp_path / "artifacts").rglob("scorer")))
    model_registry.promote(uri, model_registry.register(uri, first, FACTS))
    assert model_registry.version_of(uri) == "2"


def test_a_registry_that_is_away_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as away:
        model_registry.version_of("http://me:secret@127.0.0.1:9")
    said = str(away.value)
    assert said.startswith("The model registry http://127.0.0.1:9 cannot be used: ")
    assert said.endswith("; check --mlflow-uri, and that the registry answers.")
    assert "secret" not in said
    (tmp_path / "mlflow.db").write_text("this is no database" * 100)
    with pytest.raises(SourceError, match="cannot be used: .*file is not a database"):
        model_registry.champion(f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(SourceError, match="There is no model registry .*; `paylake train` makes it"):
        model_registry.promote(f"sqlite:///{tmp_path}/other.db", "1")


def test_the_native_model_scores_in_mlflow_s_own_tools(uri: str, first: Trained) -> None:
    import mlflow.xgboost
    import xgboost

    version = model_registry.register(uri, first, FACTS)
    with model_registry._registry(uri) as client:
        source = client.get_model_version("paylake-fraud", version).source
    native = mlflow.xgboost.load_model(source)
    matrix = examples(20, seed=1).matrix
    assert matrix.shape == (20, len(NAMES))
    margins = native.predict(xgboost.DMatrix(matrix.astype("float32")), output_margin=True)
    assert margins.tolist() == pytest.approx(first.model.margins(matrix).tolist())
