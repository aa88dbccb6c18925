# Who runs, as whom, and what each may touch; a streaming driver and its executors are one. Each prefix of the lake is written
# by one component, as each table has one writer; a test holds this page and the contracts together.

locals {
  repository = abspath("${path.module}/../../..")

  ledger_topics = ["pg-transactions", "cbs-transactions", "mobile-transactions"]
  # ticks and records that are replayed to a ledger
  replay_topics = [for topic in local.ledger_topics : "${topic}-replay"]

  # who runs the night's jobs
  emr = concat(["emr-serverless"], var.cluster_enabled ? ["emr-steps"] : [])

  components = {
    reconcile = {
      description     = "Matches the three ledgers as their records arrive."
      services        = ["pods.eks"]
      service_account = { namespace = "paylake", name = "reconcile-ledgers" }
      card_key        = true
      # whom to erase; the last three: what a nightly run left, which its series tell
      lake_reads = [
        "raw/", "partial/", "acts/erasures/", "final/run_controls/", "final/breaks/", "final/fraud_index/",
      ]
      lake_writes = [
        "raw/ledger_entries/", "raw/quarantine/", "partial/open_items/", "partial/reconciliation_partial/",
        "partial/operations_reconcile_ledgers/", "checkpoints/reconcile_ledgers/",
      ]
      topics_read    = concat(local.ledger_topics, ["paylake-clock"])
      topics_written = ["paylake-clock"]
    }
    score = {
      description     = "Scores payments for fraud as they arrive."
      services        = ["pods.eks"]
      service_account = { namespace = "paylake", name = "score-transactions" }
      card_key        = true
      lake_reads      = ["raw/", "partial/", "acts/erasures/", "models/"]
      lake_writes = [
        "raw/fraud_signals/", "raw/labels/", "raw/fraud_quarantine/", "partial/fraud_partial/", "partial/fraud_profiles/",
        "checkpoints/score_transactions/",
      ]
      topics_read = ["pg-transactions", "fraud-signals", "fraud-labels"]
    }
    alert = {
      description     = "Decides on payments the moment they arrive."
      services        = ["pods.eks"]
      service_account = { namespace = "paylake", name = "alert-transactions" }
      card_key        = true
      lake_reads      = ["raw/", "partial/", "final/merchant_index/", "final/user_spend_index/"]
      lake_writes     = ["checkpoints/alert_transactions/"]
      topics_read     = ["pg-transactions"]
      topics_written  = ["fraud-alerts", "fraud-decisions"]
    }
    history = {
      description     = "Lands ledgers' history and replays it."
      services        = ["pods.eks"]
      service_account = { namespace = "paylake", name = "history" }
      card_key        = true
      raw_reads       = ["incoming/history/"]
      raw_writes      = ["landing/"]
      topics_written  = concat(local.ledger_topics, local.replay_topics, ["paylake-controls"])
    }
    publish = {
      description     = "Brings scores, features and alerts to Redis."
      services        = ["pods.eks"]
      service_account = { namespace = "paylake", name = "publish-scores" }
      lake_reads      = ["partial/fraud_partial/"]
      lake_writes     = ["checkpoints/publish_scores/"]
      cache           = true
    }
    api = {
      description     = "Answers dashboards and applications."
      services        = ["pods.eks"]
      service_account = { namespace = "fraud-detection", name = "anomaly-detector" }
      cache           = true
    }
    autoscaler = {
      description     = "Adds nodes to Kubernetes and takes them away."
      services        = ["pods.eks"]
      service_account = { namespace = "kube-system", name = "cluster-autoscaler" }
      scales_nodes    = true
    }
    watcher = {
      description     = "Brings the pods' logs and metrics to CloudWatch: the agent of the observability add-on."
      services        = ["pods.eks"]
      service_account = { namespace = "amazon-cloudwatch", name = "cloudwatch-agent" }
      watches_nodes   = true
    }
    batch = {
      description = "Nightly jobs: files in, batch index, final indexes, queue of reviews, models, maintenance."
      services    = local.emr
      raw_reads   = ["incoming/"]
      lake_reads  = ["raw/", "partial/", "acts/"]
      lake_writes = [
        "raw/control_totals/", "raw/statement_files/", "raw/statements/", "raw/statement_lines/", "raw/payouts/",
        "raw/settlement_lines/", "raw/merchants/", "raw/users/", "raw/locations/", "raw/policies/",
        "raw/dimension_deliveries/", "raw/dimensions_quarantine/", "final/", "restricted/", "models/", "acts/erasures/",
      ]
      topics_read = ["paylake-controls"]
      releases    = true
    }
    quality = {
      description = "Checks what is published against the contracts."
      services    = local.emr
      lake_reads  = ["raw/", "final/", "restricted/"]
      releases    = true
    }
    catalog = {
      description = "Registers tables and views in Glue."
      services    = local.emr
      catalog     = true
      releases    = true
    }
    serving = {
      description    = "Publishes totals, profiles and operations figures for dashboards and the API."
      services       = local.emr
      lake_reads     = ["final/run_controls/", "final/merchant_index/", "final/user_spend_index/", "final/operations_index/"]
      tables_written = ["merchant-totals", "user-profiles", "operations"]
      cache          = true
      releases       = true
    }
    topics = {
      description     = "Creates Kafka's topics."
      services        = ["emr-serverless", "pods.eks"]
      service_account = { namespace = "paylake", name = "topics" }
      topics_created  = concat(keys(local.contracts.topics), local.replay_topics)
      releases        = true
    }
  }

  # Whoever is suspected must not learn of it: the restricted tables are compliance's alone.
  teams = {
    finance      = { reads = ["internal"], acts = true }
    treasury     = { reads = ["internal"], acts = true }
    compliance   = { reads = ["internal", "card", "restricted"], acts = true }
    partnerships = { reads = ["internal"], acts = false }
    risk         = { reads = ["internal"], acts = false }
    fraud        = { reads = ["internal", "card"], acts = true }
    operations   = { reads = ["internal"], acts = false }
    engineers    = { reads = ["internal"], acts = false }
  }

  # Each script under the name by which the steps call it.
  scripts = merge(
    {
      for script in fileset("${local.repository}/jobs", "{batch,aggregate}/*.py") : script => "${local.repository}/jobs/${script}"
    },
    {
      "paylake.py"       = "${local.repository}/libs/paylake/cli.py"
      "create_topics.py" = "${local.repository}/infra/jobs/create_topics.py"
    },
  )
}
