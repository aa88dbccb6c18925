"""The registry of fraud models, on MLflow: which versions there are, which one reigns, and which one challenges it.

A version is promoted by giving it the alias `champion`. Readers poll the alias, which costs milliseconds.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paylake.errors import ContractError, PaylakeError, SettingsError, SourceError
from paylake.fraud.compiled import with_compiled
from paylake.fraud.drift import Reference
from paylake.fraud.scorer import BoostedTrees, Scorer
from paylake.fraud.training import MODEL_NAME, Trained
from paylake.model_files import COMPILED, read_reference, read_scorer, write_scorer, write_training

DEFAULT_URI = "sqlite:///build/mlflow/mlflow.db"
CHAMPION, CHALLENGER = "champion", "challenger"
SCORER_FOLDER, MODEL_FOLDER, TRAINING_FOLDER = "scorer", "model", "training"
SQLITE = "sqlite:///"
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""How MLflow says that there is no such model, or that nothing has its alias."""

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # the default keeps a stream waiting for minutes where a server is away
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "GIT_PYTHON_REFRESH": "quiet",
}


def champion(uri: str, name: str = MODEL_NAME) -> Scorer | None:
    """The reigning model, loaded; None where none was promoted. SourceError where registry or model cannot be used."""
    return _aliased(uri, name, CHAMPION)


def challenger(uri: str, name: str = MODEL_NAME) -> Scorer | None:
    """The model that was registered last and does not reign, loaded; None without one. SourceError as for the champion."""
    return _aliased(uri, name, CHALLENGER)


def version_of(uri: str, alias: str = CHAMPION, name: str = MODEL_NAME) -> str | None:
    """The version that has the alias; None where none has. SourceError where the registry cannot be reached."""
    if _is_not_there_yet(uri):
        return None
    with _registry(uri) as client:
        return _version(client, name, alias)


def trees_of(uri: str, version: str, name: str = MODEL_NAME) -> BoostedTrees:
    """A version, loaded; SourceError where it is not there or cannot be used."""
    with _registry(uri) as client:
        return read_scorer(_fetched(client, name, version, SCORER_FOLDER), name, version)


def comparable_champion(uri: str, name: str = MODEL_NAME) -> BoostedTrees | None:
    """The champion, for a challenger to beat; None without one, and where it cannot score the features of now."""
    version = version_of(uri, CHAMPION, name)
    try:
        return None if version is None else trees_of(uri, version, name)
    except SourceError:
        return None


def reference_of(uri: str, version: str, name: str = MODEL_NAME) -> Reference:
    """How features and scores lay when a version was trained; SourceError where it is not there."""
    with _registry(uri) as client:
        return read_reference(_fetched(client, name, version, TRAINING_FOLDER))


def tags_of(uri: str, version: str, name: str = MODEL_NAME) -> dict[str, str]:
    """What was noted of a version when it was registered."""
    with _registry(uri) as client:
        return dict(client.get_model_version(name, version).tags)


def register(uri: str, trained: Trained, facts: Mapping[str, str], name: str = MODEL_NAME) -> str:
    """Keep a training with all its files, as a new version that challenges the champion; returns the version.

    `facts` say where the data came from, such as the version of the table that was read.
    """
    with _registry(uri, may_make=True) as client:
        run = client.create_run(_experiment(client, uri, name))
        reigning = _version(client, name, CHAMPION)
        _log_figures(client, run.info.run_id, trained, facts)
        with tempfile.TemporaryDirectory() as folder:
            write_scorer(Path(folder) / SCORER_FOLDER, trained.model)
            write_training(Path(folder) / TRAINING_FOLDER, trained, facts)
            _write_native(Path(folder) / MODEL_FOLDER, trained.model)
            client.log_artifacts(run.info.run_id, folder)
        if not client.search_registered_models(f"name='{name}'"):
            client.create_registered_model(name)
        won, of = trained.wins
        tags = {
            "features_version": trained.model.features_version,
            "compared_with": reigning or "",
            "folds_won": f"{won} of {of}",
            "is_better": str(trained.is_better).lower(),
            "average_precision": f"{trained.intervals['average_precision'][0]:.4f}",
            "as_of_ms": str(trained.as_of_ms),
        }
        source = f"{run.info.artifact_uri}/{MODEL_FOLDER}"
        made = client.create_model_version(name, source=source, run_id=run.info.run_id, tags=tags)
        client.set_terminated(run.info.run_id)
        client.set_registered_model_alias(name, CHALLENGER, str(made.version))
        return str(made.version)


def promote(uri: str, version: str, name: str = MODEL_NAME) -> None:
    """Compile a version, prove that both forms agree, and let it reign.

    Raises ContractError, and changes nothing, where they do not agree, or where it did not win against the champion of now
    on most folds. The first version reigns without a comparison.
    """
    with _registry(uri) as client:
        tags = client.get_model_version(name, version).tags
        reigning = _version(client, name, CHAMPION)
        if reigning == version:
            return
        if reigning and tags.get("compared_with") != reigning:
            raise ContractError(
                f"Version {version} was not compared with version {reigning}, which reigns: train anew, then promote."
            )
        if reigning and tags.get("is_better") != "true":
            raise ContractError(
                f"Version {version} wins on {tags.get('folds_won')} folds against version {reigning}, which is not most of "
                "them: the champion stays."
            )
        model = with_compiled(read_scorer(_fetched(client, name, version, SCORER_FOLDER), name, version))
        with tempfile.TemporaryDirectory() as folder:
            write_scorer(Path(folder), model)
            run_id = client.get_model_version(name, version).run_id
            client.log_artifact(run_id, str(Path(folder) / COMPILED), SCORER_FOLDER)
        client.set_registered_model_alias(name, CHAMPION, version)
        if _version(client, name, CHALLENGER) == version:
            client.delete_registered_model_alias(name, CHALLENGER)


def reinstate(uri: str, version: str, name: str = MODEL_NAME) -> str | None:
    """Let a version reign that reigned before, at once and whoever won; returns the version that reigned until now.

    Raises SourceError where it is not there or cannot be used, ContractError where it never reigned.
    """
    with _registry(uri) as client:
        if not read_scorer(_fetched(client, name, version, SCORER_FOLDER), name, version).compiled:
            raise ContractError(f"Version {version} has never reigned: only a training that wins lets it (`paylake train`).")
        before = _version(client, name, CHAMPION)
        client.set_registered_model_alias(name, CHAMPION, version)
        return before


# --- MLflow ---


def _aliased(uri: str, name: str, alias: str) -> BoostedTrees | None:
    version = version_of(uri, alias, name)
    return None if version is None else trees_of(uri, version, name)


def _version(client: Any, name: str, alias: str) -> str | None:
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        if error.error_code in MISSING:
            return None
        raise


def _fetched(client: Any, name: str, version: str, folder: str) -> Path:
    return Path(client.download_artifacts(client.get_model_version(name, version).run_id, folder))


def _experiment(client: Any, uri: str, name: str) -> str:
    """The experiment of the trainings; those of a SQLite file keep their files beside it."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    beside = _sqlite_file(uri)
    place = (beside.absolute().parent / "artifacts").as_uri() if beside else None
    return str(client.create_experiment(name, artifact_location=place))


def _log_figures(client: Any, run_id: str, trained: Trained, facts: Mapping[str, str]) -> None:
    for part in (trained.recipe, trained.costs):
        for key, value in asdict(part).items():
            client.log_param(run_id, key, value)
    said = {
        "train": trained.blocks.train, "test": trained.blocks.test, "maturity": trained.blocks.maturity,
        "calibrate": trained.blocks.calibrate, "budget": trained.budget, "features_version": trained.model.features_version,
        "as_of_ms": trained.as_of_ms, "first_ms": trained.first_ms, "last_ms": trained.last_ms,
    }  # fmt: skip
    for key, param in said.items():
        client.log_param(run_id, key, str(param))
    for key, fact in facts.items():
        client.set_tag(run_id, key, fact)
    cuts = trained.model.thresholds
    figures: dict[str, float] = {"payments": trained.payments, "frauds": trained.frauds, "folds": len(trained.folds)}
    figures |= {"threshold_suspicious": cuts.suspicious, "threshold_fraudulent": cuts.fraudulent}
    for key, (mean, low, high) in trained.intervals.items():
        figures |= {key: mean, f"{key}_low": low, f"{key}_high": high}
    for key, figure in figures.items():
        client.log_metric(run_id, key, figure)
    for step, fold in enumerate(trained.folds):
        client.log_metric(run_id, "fold_average_precision", fold.measures["average_precision"], step=step)


def _write_native(folder: Path, model: BoostedTrees) -> None:
    """The trees as a model of MLflow's own, for its other tools: float32 features in, XGBoost's probability out."""
    import mlflow.xgboost
    import numpy as np
    import xgboost
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    trees = xgboost.Booster()
    trees.load_model(bytearray(model.booster))
    single = np.dtype("float32")
    given = Schema([TensorSpec(single, (-1, trees.num_features()))])
    mlflow.xgboost.save_model(
        trees, str(folder), model_format="ubj", pip_requirements=[f"xgboost=={xgboost.__version__}"],
        signature=ModelSignature(given, Schema([TensorSpec(single, (-1,))])),
    )  # fmt: skip


def _sqlite_file(uri: str) -> Path | None:
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def _is_not_there_yet(uri: str) -> bool:
    """True for a SQLite registry that nobody has made: reading must not make one."""
    file = _sqlite_file(uri)
    return file is not None and not file.exists()


@contextmanager
def _registry(uri: str, may_make: bool = False) -> Iterator[Any]:
    """MLflow's client; whatever goes wrong on the way becomes one sentence."""
    file = _sqlite_file(uri)
    if file is not None and may_make:
        file.parent.mkdir(parents=True, exist_ok=True)
    elif _is_not_there_yet(uri):
        raise SourceError(f"There is no model registry {_shown(uri)}; `paylake train` makes it.")
    try:
        yield _client(uri)
    except PaylakeError:
        raise
    except Exception as error:  # MLflow's, SQLAlchemy's, the network's: they share no class
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise SourceError(
            f"The model registry {_shown(uri)} cannot be used: {_without_secrets(said, uri)[:300]}; check --mlflow-uri, and "
            "that the registry answers."
        ) from None


@lru_cache(maxsize=8)
def _client(uri: str) -> Any:
    for key, value in _SETTINGS.items():
        os.environ.setdefault(key, value)
    try:
        from mlflow import MlflowClient
    except ModuleNotFoundError as error:
        raise SettingsError(f"A model registry takes {error.name}: pip install 'paylake[fraud]'.") from None
    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _shown(uri: str) -> str:
    """The address without user and password."""
    return _without_secrets(uri, uri)


def _without_secrets(text: str, uri: str) -> str:
    named, at, _ = urlsplit(uri).netloc.rpartition("@")
    return text.replace(named + at, "") if at else text
