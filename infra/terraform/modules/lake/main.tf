# raw: what others deliver, and the landing zone of history. processed: the lake, which is one prefix for the jobs and so one
# bucket. artefacts: releases, and answers of Athena. logs: access logs and the jobs' logs.

locals {
  suffix = var.place.account
}

module "logs" {
  source            = "../bucket"
  bucket            = "${var.name}-logs-${local.suffix}"
  key_arn           = null
  noncurrent_days   = var.noncurrent_days
  expire_after_days = { "s3/" = var.log_days, "jobs/" = var.log_days }
  force_destroy     = var.force_destroy

  statements = [{
    Sid       = "AccessLogs"
    Effect    = "Allow"
    Principal = { Service = "logging.s3.amazonaws.com" }
    Action    = "s3:PutObject"
    Resource  = "arn:${var.place.partition}:s3:::${var.name}-logs-${local.suffix}/*"
    Condition = { StringEquals = { "aws:SourceAccount" = var.place.account } }
  }]
}

module "raw" {
  source            = "../bucket"
  bucket            = "${var.name}-raw-${local.suffix}"
  key_arn           = var.lake_key_arn
  log_bucket        = { name = module.logs.policy_id }
  noncurrent_days   = var.noncurrent_days
  expire_after_days = { "incoming/quarantine/" = var.quarantine_days }
  force_destroy     = var.force_destroy
}

module "processed" {
  source          = "../bucket"
  bucket          = "${var.name}-processed-${local.suffix}"
  key_arn         = var.lake_key_arn
  log_bucket      = { name = module.logs.policy_id }
  noncurrent_days = var.noncurrent_days
  force_destroy   = var.force_destroy
}

module "artefacts" {
  source            = "../bucket"
  bucket            = "${var.name}-artefacts-${local.suffix}"
  key_arn           = var.lake_key_arn
  log_bucket        = { name = module.logs.policy_id }
  noncurrent_days   = var.noncurrent_days
  expire_after_days = { "athena-results/" = 7 }
  force_destroy     = var.force_destroy
}
