# The whole stack, once. The roots of live/ say which, how large, and how careful.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

# The role behind an assumed session: Lake Formation knows roles, and no sessions.
data "aws_iam_session_context" "this" {
  arn = data.aws_caller_identity.this.arn
}

locals {
  name     = "${var.project}-${var.environment}"
  database = "${var.project}_${var.environment}"
  place = {
    account   = data.aws_caller_identity.this.account_id
    partition = data.aws_partition.this.partition
    region    = data.aws_region.this.name
  }
  contracts = jsondecode(file("${path.module}/contracts.json"))

  stream     = var.running && var.stream_enabled
  eks        = var.running && var.eks_enabled
  serverless = var.running && var.serverless_enabled
  cluster    = var.running && var.cluster_enabled
  cache      = var.running && var.cache_enabled

  # Without a way out of the network, each of these is the only way to its service.
  endpoint_services = concat(
    ["ecr.api", "ecr.dkr", "kms", "logs", "monitoring", "secretsmanager", "sts"],
    local.eks ? ["autoscaling", "ec2", "eks", "eks-auth"] : [],
    local.serverless || local.cluster ? ["emr-serverless", "glue"] : [],
    local.cluster ? ["elasticmapreduce"] : [],
  )

  # Continuous integration rolls out what it has built, in the namespaces of paylake.
  ci_access = var.ci == null ? {} : {
    "arn:${local.place.partition}:iam::${local.place.account}:role/${local.name}-ci" = {
      policy = "AmazonEKSAdminPolicy", namespaces = ["fraud-detection", "paylake"]
    }
  }

  # Makes the key of the card tokens, and may not read it: Secrets Manager decrypts for whoever writes a new version.
  custodian = "arn:${local.place.partition}:iam::${local.place.account}:role/${local.name}-custodian"

  card_key_readers = [
    for component, c in local.components : "arn:${local.place.partition}:iam::${local.place.account}:role/${local.name}-${component}"
    if try(c.card_key, false)
  ]
}

module "keys" {
  source               = "../modules/keys"
  name                 = local.name
  place                = local.place
  card_key_readers     = concat(local.card_key_readers, [local.custodian])
  deletion_window_days = var.deletion_window_days
}

module "secret" {
  source        = "../modules/secret"
  name          = local.name
  key_arn       = module.keys.arns["card"]
  readers       = local.card_key_readers
  recovery_days = var.deletion_window_days
}

module "network" {
  source             = "../modules/network"
  name               = local.name
  place              = local.place
  cidr               = var.cidr
  zones              = [for letter in var.zones : "${local.place.region}${letter}"]
  nat_enabled        = var.running && var.nat_enabled
  endpoint_services  = var.running ? local.endpoint_services : []
  endpoint_zones     = var.sizes.endpoint_zones
  log_key_arn        = module.keys.arns["logs"]
  log_retention_days = var.log_retention_days
}

module "lake" {
  source          = "../modules/lake"
  name            = local.name
  place           = local.place
  lake_key_arn    = module.keys.arns["lake"]
  noncurrent_days = var.noncurrent_days
  force_destroy   = var.force_destroy
}

module "registry" {
  source       = "../modules/registry"
  name         = local.name
  place        = local.place
  key_arn      = module.keys.arns["lake"]
  force_delete = var.force_destroy
}

module "stream" {
  count             = local.stream ? 1 : 0
  source            = "../modules/stream"
  name              = local.name
  kafka_version     = var.kafka_version
  broker_type       = var.sizes.broker_type
  volume_gib        = var.sizes.volume_gib
  max_volume_gib    = var.sizes.max_volume_gib
  monitoring        = var.sizes.monitoring
  subnet_ids        = module.network.private_subnet_ids
  security_group_id = module.network.security_group_ids["stream"]
  key_arn           = module.keys.arns["stream"]
  log_group         = module.observability.log_groups["kafka"]
}

module "serving" {
  source              = "../modules/serving"
  name                = local.name
  key_arn             = module.keys.arns["serving"]
  cache_enabled       = local.cache
  cache_type          = var.sizes.cache_type
  cache_nodes         = var.sizes.cache_nodes
  subnet_ids          = module.network.private_subnet_ids
  security_group_id   = module.network.security_group_ids["cache"]
  deletion_protection = !var.force_destroy
}

module "identity" {
  source          = "../modules/identity"
  name            = local.name
  place           = local.place
  components      = local.components
  teams           = local.teams
  bucket_arns     = module.lake.arns
  key_arns        = module.keys.arns
  card_secret_arn = module.secret.arn
  cluster_arn     = one(module.stream[*].cluster_arn)
  table_arns      = module.serving.table_arns
  cache_arns      = module.serving.cache_arns
  database        = local.database
  workgroup       = local.name
  repository_arns = [for image in ["streaming", "batch"] : module.registry.arns[image]]
  ci              = var.ci
}

module "compute" {
  source             = "../modules/compute"
  name               = local.name
  place              = local.place
  vpc_id             = module.network.vpc_id
  subnet_ids         = module.network.private_subnet_ids
  security_group_ids = module.network.security_group_ids
  cluster_key_arn    = module.keys.arns["cluster"]
  lake_key_arn       = module.keys.arns["lake"]
  log_key_arn        = module.keys.arns["logs"]
  log_retention_days = var.log_retention_days
  log_bucket         = module.lake.buckets["logs"]
  eks_enabled        = local.eks
  eks_public_cidrs   = var.eks_public_cidrs
  node_groups        = var.sizes.node_groups
  kube_access        = merge(local.ci_access, var.kube_access)
  serverless_enabled = local.serverless
  cluster_enabled    = local.cluster
  release_label      = var.release_label
  image_uri          = var.custom_image ? "${module.registry.urls["batch"]}:${var.release}" : null
  maximum            = var.sizes.batch
  step_role_arns     = [for component, c in local.components : module.identity.role_arns[component] if contains(c.services, "emr-steps")]
  certificates_object = coalesce(
    var.emr_certificates_object, "s3://${module.lake.buckets["artefacts"]}/emr/certificates.zip",
  )

  pod_identities = {
    for component, c in local.components : component => {
      namespace       = c.service_account.namespace
      service_account = c.service_account.name
      role_arn        = module.identity.role_arns[component]
    } if try(c.service_account, null) != null
  }
}

module "catalog" {
  source          = "../modules/catalog"
  name            = local.name
  place           = local.place
  database        = local.database
  lake_bucket     = { name = module.lake.buckets["processed"], arn = module.lake.arns["processed"] }
  results_bucket  = module.lake.buckets["artefacts"]
  key_arn         = module.keys.arns["lake"]
  questions       = local.contracts.questions
  sensitivities   = local.contracts.sensitivities
  keeper_role_arn = module.identity.role_arns["catalog"]
  tagger_role_arn = module.schedule.role_arn
  admin_arns      = distinct(concat([data.aws_iam_session_context.this.issuer_arn], var.lake_admin_arns))
  force_destroy   = var.force_destroy

  teams = {
    for team, t in local.teams : team => { role_arn = module.identity.team_role_arns[team], reads = t.reads }
  }
}

module "schedule" {
  source             = "../modules/schedule"
  name               = local.name
  place              = local.place
  release            = var.release
  scripts            = local.scripts
  jars               = regexall("\\S+\\.jar", file("${local.repository}/docker/jars/batch.sha256"))
  artefacts_bucket   = { name = module.lake.buckets["artefacts"] }
  lake_bucket        = module.lake.buckets["processed"]
  raw_bucket         = module.lake.buckets["raw"]
  log_bucket         = module.lake.buckets["logs"]
  lake_key_arn       = module.keys.arns["lake"]
  log_key_arn        = module.keys.arns["logs"]
  alert_key_arn      = module.keys.arns["alerts"]
  job_log_group      = module.observability.log_groups["jobs"]
  log_retention_days = var.log_retention_days
  engine             = var.nightly_engine
  application        = module.compute.application
  emr_cluster        = module.compute.emr_cluster
  role_arns          = { for c in ["batch", "quality", "catalog", "serving", "topics"] : c => module.identity.role_arns[c] }
  bootstrap_servers  = coalesce(one(module.stream[*].bootstrap_servers), "resting:9098")
  database           = module.catalog.database
  sensitivity_tag    = module.catalog.sensitivity_tag
  tagged = merge(
    { for table, sensitivity in local.contracts.tables : table => { table = table, columns = [], sensitivity = sensitivity } },
    {
      for table, columns in local.contracts.card_columns : "${table} (cards)" => {
        table = table, columns = columns, sensitivity = "card"
      }
    },
  )
  table_prefix    = "${local.name}-"
  cache           = module.serving.cache
  starts          = var.schedule.starts
  deadline        = var.schedule.deadline
  timezone        = var.schedule.timezone
  enabled         = var.running && var.schedule_enabled
  alert_topic_arn = module.observability.topic_arns["page"]
  region          = local.place.region
}

module "observability" {
  source             = "../modules/observability"
  name               = local.name
  place              = local.place
  log_key_arn        = module.keys.arns["logs"]
  alert_key_arn      = module.keys.arns["alerts"]
  log_retention_days = var.log_retention_days
  page_emails        = var.page_emails
  ticket_emails      = var.ticket_emails

  # By their names, which are known beforehand: alarms need not wait for what they watch.
  watch = {
    stream_cluster = local.stream ? local.name : null
    eks_cluster    = local.eks ? local.name : null
    application    = local.serverless ? { id = module.compute.application.id } : null
    cache_id       = local.cache ? local.name : null
    tables         = values(module.serving.table_names)
    missed_queue   = module.schedule.missed_queue_name
    nightly        = module.schedule.machine_arns["nightly"]
    queries        = local.eks ? concat(["reconcile_ledgers", "score_transactions", "alert_transactions"], local.cache ? ["publish_scores"] : []) : []
  }
}

module "audit" {
  source             = "../modules/audit"
  name               = local.name
  place              = local.place
  key_arn            = module.keys.arns["logs"]
  topic_key_arn      = module.keys.arns["alerts"]
  alert_topic_arn    = module.observability.topic_arns["page"]
  bucket_arns        = values(module.lake.arns)
  table_arns         = values(module.serving.table_arns)
  object_lock        = var.object_lock
  log_bucket         = module.lake.buckets["logs"]
  log_retention_days = var.log_retention_days
  guardduty_enabled  = var.guardduty_enabled
  force_destroy      = var.force_destroy
}
