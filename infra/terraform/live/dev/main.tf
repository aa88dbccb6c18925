# Development: everything small, synthetic payments only, gone with one command.

module "stack" {
  source      = "../../stack"
  environment = "dev"
  release     = var.release
  cidr        = "10.40.0.0/16"

  running            = var.running
  stream_enabled     = var.stream_enabled
  eks_enabled        = var.eks_enabled
  serverless_enabled = var.serverless_enabled
  cluster_enabled    = var.cluster_enabled
  cache_enabled      = var.cache_enabled
  nat_enabled        = var.nat_enabled
  guardduty_enabled  = var.guardduty_enabled
  nightly_engine     = var.nightly_engine
  schedule_enabled   = var.schedule_enabled
  release_label      = var.release_label

  sizes = {
    broker_type    = "kafka.t3.small"
    volume_gib     = 20
    max_volume_gib = 100
    monitoring     = "DEFAULT"
    cache_type     = "cache.t4g.micro"
    cache_nodes    = 1
    endpoint_zones = 1
    batch          = { vcpu = 16, memory = 64, disk = 200 }
    node_groups = {
      drivers   = { instance_types = ["t4g.medium"], capacity = "ON_DEMAND", least = 1, most = 3 }
      executors = { instance_types = ["t4g.large", "m7g.large"], capacity = "SPOT", least = 1, most = 4 }
    }
  }

  log_retention_days   = 90
  noncurrent_days      = 7
  object_lock          = { mode = "GOVERNANCE", days = 1 }
  deletion_window_days = 7
  force_destroy        = true

  eks_public_cidrs = var.eks_public_cidrs
  kube_access      = var.kube_access
  page_emails      = var.page_emails
  ticket_emails    = var.ticket_emails
  ci               = var.ci
}
