# Everything that a developer does with paylake. `make` alone lists it.

PYTHON ?= python3
export PYTHON

PAYMENTS ?= 100000
CHAOS ?= 0.05
SEED ?= 7

BROKER ?= 127.0.0.1:9092
TOPIC ?=
TPS ?= 100
LAKE ?= build/demo/lake
REDIS ?= redis://127.0.0.1:6379/0
TRAIN ?= --maturity 0d --train-span 12h --test-span 3h
FRAUD_RATE ?= 0.02
COMPOSE = docker compose --env-file docker/versions.env -f docker/compose.yaml
ENVIRONMENT ?= dev
IMAGE ?=
SETTINGS ?=

SIMULATE = .venv/bin/paylake simulate --paced --bootstrap-servers $(BROKER) --tps $(TPS) \
	--fraud-rate $(FRAUD_RATE) $(if $(TOPIC),--topic $(TOPIC))

# two processes, each with a session of its own; the tests of a file stay together
TEST_FLAGS = -q -n 2 --no-loadscope-reorder

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help dictionary evaluate-models preflight dev-setup demo test test-slow test-thorough test-infra test-athena infra deploy-local deploy-k8s stream api check lint format generator generate-load bench clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Order-only: it runs each time and costs a moment, and never makes a stamp look old.
preflight:
	@scripts/preflight.sh

.venv/.stamp: setup.py pyproject.toml | preflight
	@scripts/quietly.sh "Python packages into .venv (minutes the first time)" build/setup/python.log \
		scripts/setup_python.sh .venv local,dev
	@touch $@

jars/.stamp: pom.xml | preflight
	@scripts/quietly.sh "jars of Delta and of Spark's Kafka connector into jars/spark" build/setup/spark.log \
		scripts/setup_jars.sh spark
	@scripts/quietly.sh "jars of the Kafka broker into jars/kafka" build/setup/kafka.log \
		scripts/setup_jars.sh kafka
	@touch $@

# a comfort, and no condition: where a JVM writes no archive, sessions start without it
jars/.stamp-classes: jars/.stamp .venv/.stamp scripts/archive_classes.py libs/paylake/session.py
	-@scripts/quietly.sh "archive of Spark's classes into jars, so that sessions start sooner" build/setup/classes.log \
		.venv/bin/python scripts/archive_classes.py jars
	@touch $@

jars/.stamp-slow: pom.xml docker/jars/pom.xml | preflight
	@scripts/quietly.sh "jars of S3A into jars/s3" build/setup/s3.log scripts/setup_jars.sh s3
	@scripts/quietly.sh "jars of the EMR twin into jars/emr" build/setup/emr.log scripts/setup_jars.sh emr
	@scripts/quietly.sh "jar of checkpoints on S3 into jars/checkpoints" build/setup/checkpoints.log \
		scripts/setup_jars.sh checkpoints docker/jars/pom.xml
	@touch $@

jars/.stamp-trino: scripts/setup_trino.sh scripts/find_java25.sh | preflight
	@scripts/quietly.sh "Trino, 821 MB, into jars/trino" build/setup/trino.log scripts/setup_trino.sh
	@touch $@

.venv-emr/.stamp: setup.py pyproject.toml | preflight
	@scripts/quietly.sh "Python packages of the EMR twin into .venv-emr" build/setup/python-emr.log \
		scripts/setup_python.sh .venv-emr emr
	@touch $@

.venv-infra/.stamp: setup.py pyproject.toml | preflight
	@scripts/quietly.sh "tools that check images, manifests and Terraform into .venv-infra" build/setup/python-infra.log \
		scripts/setup_python.sh .venv-infra infra
	@touch $@

dictionary: dev-setup ## write docs/data_dictionary.md and docs/questions.md anew from the contracts
	@.venv/bin/python -c "from paylake.contracts import ALL; from paylake.contracts.table import data_dictionary; from paylake.contracts.view import view_dictionary; from paylake.contracts.views import VIEWS; print(data_dictionary(ALL) + view_dictionary(VIEWS), end='')" > docs/data_dictionary.md
	@.venv/bin/python -c "from paylake.contracts.questions import QUESTIONS, questions_page; print(questions_page(QUESTIONS), end='')" > docs/questions.md

dev-setup: preflight .venv/.stamp jars/.stamp jars/.stamp-classes ## set up the environment and the jars, and nothing else
	@echo "paylake: set up."

demo: dev-setup ## run the whole pipeline on simulated payments (PAYMENTS=100000 CHAOS=0.05 SEED=7)
	@.venv/bin/paylake demo --payments $(PAYMENTS) --chaos $(CHAOS) --seed $(SEED)

test: dev-setup ## run the tests that take minutes together
	@.venv/bin/python -m pytest $(TEST_FLAGS) -m "not slow and not infra and not athena"

test-slow: dev-setup jars/.stamp-slow .venv-emr/.stamp ## run the slow tests: kills, S3, three brokers, the EMR twin
	@.venv/bin/python -m pytest $(TEST_FLAGS) -m "slow and not infra and not thorough"

test-thorough: dev-setup jars/.stamp-slow .venv-emr/.stamp ## run the variations that the slow tests leave out
	@.venv/bin/python -m pytest $(TEST_FLAGS) -m thorough

test-infra: dev-setup .venv-infra/.stamp ## check images, manifests, workflows and Terraform
	@.venv/bin/python -m pytest $(TEST_FLAGS) -m infra

# one server and one lake serve all of them, so one process does
test-athena: dev-setup jars/.stamp-trino ## ask Trino, in Athena's place, for every table, view and question (JAVA25_HOME=)
	@.venv/bin/python -m pytest -q -m athena

check: dev-setup ## check format, lint and types
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy

lint: check ## the same as check

format: dev-setup ## format the code and apply the lint's safe fixes
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

generator: dev-setup ## send payments until Ctrl-C (BROKER=127.0.0.1:9092 TPS=100 FRAUD_RATE=0.02 TOPIC=)
	@$(SIMULATE)

generate-load: TPS = 5000
generate-load: dev-setup ## the same at a high rate (TPS=5000)
	@$(SIMULATE)

evaluate-models: dev-setup ## judge champion and challenger on a lake's latest payments (LAKE= TRAIN=)
	@.venv/bin/paylake train --evaluate --lake $(LAKE) $(TRAIN)

infra: ## start Kafka, Redis, PostgreSQL, Prometheus and Grafana in containers
	@$(COMPOSE) up --detach --wait

deploy-local: ## the same, with the stream of the ledgers
	@mkdir -p artifacts && PAYLAKE_USER=$$(id -u):$$(id -g) $(COMPOSE) --profile stream up --build --detach

deploy-k8s: ## roll an image out (ENVIRONMENT=dev IMAGE=REGISTRY/NAME@sha256:... SETTINGS=build/k8s/dev)
	@mkdir -p build/k8s && k8s/manifest.sh $(ENVIRONMENT) $(IMAGE) $(SETTINGS) > build/k8s/$(ENVIRONMENT).yaml
	@k8s/rollout.sh build/k8s/$(ENVIRONMENT).yaml

stream: dev-setup ## reconcile the ledgers as their records arrive (LAKE= BROKER=)
	@.venv/bin/paylake stream --lake $(LAKE) --bootstrap-servers $(BROKER)

api: dev-setup ## answer over HTTP with what was published to Redis (REDIS=)
	@.venv/bin/paylake serve --redis $(REDIS)

bench: dev-setup ## measure, and write BENCHMARKS.md
	@.venv/bin/python benchmarks/run.py

clean: ## stop a broker left in build/ and remove what runs, tests and builds made
	@if [ -f build/broker/cluster.json ]; then .venv/bin/paylake broker stop; fi
	@rm -rf build dist libs/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis spark-warehouse
	@find libs jobs tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## clean, and remove the environments and the jars too
	@rm -rf .venv .venv-emr .venv-infra jars
