"""Training from a lake: what was known at a time goes in, a reigning model and a readable judgement come out."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.batch import train_fraud_model
from paylake import model_registry, tables, train_command
from paylake.contracts import AGGREGATE_INDEX
from paylake.errors import SettingsError, SourceError
from paylake.fraud.features import FEATURES_VERSION
from paylake.fraud.training import NOBODY_SAID, Examples
from paylake.labelled_payments import labelled_payments
from paylake.train_command import TrainSettings
from tests.builders import rows
from tests.unit.fraud.examples import end_of, examples

DAY = timedelta(days=1)
END = datetime.fromtimestamp(end_of(8) / 1000, UTC)


def written(spark: SparkSession, lake: str, of: Examples, features_version: str = FEATURES_VERSION) -> None:
    """The examples as rows of the lake's aggregate; what they do not say is as in any other test."""
    is_said = of.label != NOBODY_SAID
    instant = pa.timestamp("us", "UTC")
    told = pa.table(
        {
            "transaction_id": [f"t{number}" for number in range(len(of))],
            "user_id": [f"u{user}" for user in of.user.tolist()],
            "gateway_at": pa.array(of.at_ms * 1000).cast(instant),
            "fraud_arrived_at": pa.array(of.features_at_ms * 1000).cast(instant),
            "gateway_amount": pa.array([Decimal(u) / 10_000 for u in of.units.tolist()], pa.decimal128(18, 4)),
            "gateway_currency": of.currency.tolist(),
            "fraud_features": list(of.matrix),
            "label": pa.array(np.where(is_said, "FRAUD", ""), mask=~is_said),
            "label_known_at": pa.array(np.where(is_said, of.known_at_ms, 0) * 1000, mask=~is_said).cast(instant),
        }
    )
    usual = rows(spark, AGGREGATE_INDEX, {}).drop(*told.column_names, "fraud_features_version")
    frame = usual.crossJoin(spark.createDataFrame(told)).withColumn("fraud_features_version", F.lit(features_version))
    tables.create(spark, lake, AGGREGATE_INDEX)
    tables.append(frame, lake, AGGREGATE_INDEX)


def settings(lake: str, place: Path, **more: object) -> TrainSettings:
    """Eight days of truth: small trees, a day per test."""
    said = {
        "lake": lake, "mlflow_uri": f"sqlite:///{place}/models/mlflow.db", "as_of": END, "maturity": timedelta(0),
        "train_span": 6 * DAY, "test_span": DAY, "trees": 5,
    }  # fmt: skip
    return TrainSettings(**{**said, **more})


@pytest.mark.slow
def test_the_job_trains_from_a_lake_and_the_better_model_reigns(
    spark: SparkSession, lake: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    of = examples(2_000, labels_late_by=timedelta(hours=1))
    written(spark, lake, of)
    with caplog.at_level(logging.INFO):
        train_fraud_model.main(spark, settings(lake, tmp_path))
    assert "version 1 on 2 folds" in caplog.text
    assert "Version 1 reigns." in caplog.text
    uri = settings(lake, tmp_path).mlflow_uri
    assert model_registry.version_of(uri) == "1"

    read, facts = labelled_payments(spark, lake)
    for name, values in vars(of).items():
        if name != "user":
            assert np.array_equal(getattr(read, name), values, equal_nan=name == "matrix"), name
    assert facts == {
        "table": "aggregate_index", "delta version": "1", "days read": "2023-11-15 to 2023-11-22",
        "left out of other features": "0",
    }  # fmt: skip

    again = train_command.trained(spark, settings(lake, tmp_path))
    assert "Version 2 challenges: Version 2 wins on 0 of 2 folds against version 1" in again
    told = train_command.evaluated(spark, settings(lake, tmp_path, evaluate=True, as_of=END))
    assert "champion 1    challenger 2" in told
    assert "How far payments have moved since version 1 was trained:" in told
    assert told.endswith("No need to train anew.")
    assert train_command.trained(spark, settings(lake, tmp_path, if_needed=True)) == "No need to train anew."
    # a week later nothing was paid, and the model is old
    late = train_command.evaluated(spark, settings(lake, tmp_path, as_of=END + 7 * DAY))
    assert late.endswith("Train anew: The model is 7 days old; 7 is the longest.")


def test_without_promotion_the_model_only_challenges(spark: SparkSession, lake: str, tmp_path: Path) -> None:
    written(spark, lake, examples(1_500))
    said = train_command.trained(spark, settings(lake, tmp_path, promote=False))
    assert said.endswith("Version 1 challenges; `paylake train` without --no-promote would let the better one reign.")
    assert model_registry.version_of(settings(lake, tmp_path).mlflow_uri) is None


def test_what_is_missing_is_said_in_a_sentence(spark: SparkSession, lake: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no table aggregate_index in the lake"):
        train_command.trained(spark, settings(lake, tmp_path))
    with pytest.raises(SourceError, match="There is no model to evaluate: `paylake train` makes one"):
        train_command.evaluated(spark, settings(lake, tmp_path))
    tables.create(spark, lake, AGGREGATE_INDEX)
    with pytest.raises(SourceError, match="No payment in the aggregate_index of the lake .* was scored yet: score payments"):
        train_command.trained(spark, settings(lake, tmp_path))
    written(spark, lake, examples(10), features_version="0ld")
    with pytest.raises(SourceError, match=f"only with the features 0ld, not {FEATURES_VERSION}"):
        train_command.trained(spark, settings(lake, tmp_path))


def test_a_table_of_before_says_what_adds_its_columns(spark: SparkSession, lake: str, tmp_path: Path) -> None:
    before = tuple(f for f in AGGREGATE_INDEX.fields if not f.name.startswith(("fraud_", "label")))
    tables.create(spark, lake, replace(AGGREGATE_INDEX, fields=before))
    with pytest.raises(SourceError, match="has no fraud_features or fraud_features_version yet: run `paylake nightly`"):
        train_command.trained(spark, settings(lake, tmp_path))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"trees": 0}, "--trees: 0 is less than 1"),
        ({"false_positives": 2.0}, "--false-positives: 2.0 is not between 0 and 1"),
        ({"test_span": timedelta(0)}, "--train-span and --test-span must be above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=said):
        settings("lake", tmp_path, **wrong)
