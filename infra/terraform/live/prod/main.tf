# Production: three zones, real payments, and nothing that holds data can be destroyed.

module "stack" {
  source      = "../../stack"
  environment = "prod"
  release     = var.release
  cidr        = "10.60.0.0/16"

  running          = var.running
  cluster_enabled  = var.cluster_enabled
  schedule_enabled = var.schedule_enabled

  sizes = {
    broker_type    = "kafka.m7g.large"
    volume_gib     = 500
    max_volume_gib = 4000
    monitoring     = "PER_TOPIC_PER_BROKER"
    cache_type     = "cache.r7g.large"
    cache_nodes    = 2
    endpoint_zones = 3
    batch          = { vcpu = 200, memory = 800, disk = 4000 }
    node_groups = {
      drivers   = { instance_types = ["m7g.xlarge"], capacity = "ON_DEMAND", least = 3, most = 6 }
      executors = { instance_types = ["r7g.xlarge", "r6g.xlarge", "m7g.2xlarge"], capacity = "SPOT", least = 2, most = 20 }
    }
  }

  log_retention_days   = 400
  noncurrent_days      = 30
  object_lock          = { mode = "COMPLIANCE", days = 400 }
  deletion_window_days = 30
  force_destroy        = false

  eks_public_cidrs = var.eks_public_cidrs
  kube_access      = var.kube_access
  lake_admin_arns  = var.lake_admin_arns
  page_emails      = var.page_emails
  ticket_emails    = var.ticket_emails
  ci               = var.ci
}

# prevent_destroy is a literal and cannot be passed to a module that dev uses too. This stands in for it: destroying or
# replacing anything named here would replace the guard, which refuses, so the plan fails before anything is touched.
resource "terraform_data" "guard" {
  triggers_replace = module.stack.holds_data

  lifecycle {
    prevent_destroy = true
  }
}
