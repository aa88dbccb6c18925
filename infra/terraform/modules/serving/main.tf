# What dashboards and the API read in milliseconds. Both are copies of the lake and can be built again from it.

# The keys are those of the items that the night publishes; a test holds both together.
locals {
  tables = {
    merchant-totals = { owner = "merchant_id", place = "day_currency" }
    user-profiles   = { owner = "user_id", place = "day_currency" }
    operations      = { owner = "job", place = "hour_topic" }
  }
}

resource "aws_dynamodb_table" "this" {
  for_each                    = local.tables
  name                        = "${var.name}-${each.key}"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = each.value.owner
  range_key                   = each.value.place
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = each.value.owner
    type = "S"
  }

  attribute {
    name = each.value.place
    type = "S"
  }

  ttl {
    enabled        = true
    attribute_name = "expires_at"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.key_arn
  }
}

resource "aws_elasticache_subnet_group" "this" {
  count       = var.cache_enabled ? 1 : 0
  name        = var.name
  description = "Private subnets of ${var.name}"
  subnet_ids  = var.subnet_ids
}

# Nobody without a name gets in, and a name is an IAM identity: there is no password.
resource "aws_elasticache_user" "nobody" {
  count         = var.cache_enabled ? 1 : 0
  user_id       = "${var.name}-nobody"
  user_name     = "default"
  engine        = "redis"
  access_string = "off ~* -@all"

  authentication_mode {
    type = "no-password-required"
  }
}

resource "aws_elasticache_user" "serving" {
  count         = var.cache_enabled ? 1 : 0
  user_id       = "${var.name}-serving"
  user_name     = "${var.name}-serving"
  engine        = "redis"
  access_string = "on ~paylake:* &paylake:* +@all -@admin -@dangerous"

  authentication_mode {
    type = "iam"
  }
}

resource "aws_elasticache_user_group" "this" {
  count         = var.cache_enabled ? 1 : 0
  user_group_id = var.name
  engine        = "redis"
  user_ids      = [aws_elasticache_user.nobody[0].user_id, aws_elasticache_user.serving[0].user_id]
}

resource "aws_elasticache_replication_group" "this" {
  count                      = var.cache_enabled ? 1 : 0
  replication_group_id       = var.name
  description                = "Features, alerts and totals of ${var.name}"
  engine                     = "redis"
  engine_version             = "7.1"
  node_type                  = var.cache_type
  num_cache_clusters         = var.cache_nodes
  automatic_failover_enabled = var.cache_nodes > 1
  multi_az_enabled           = var.cache_nodes > 1
  at_rest_encryption_enabled = true
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  kms_key_id                 = var.key_arn
  user_group_ids             = [aws_elasticache_user_group.this[0].user_group_id]
  subnet_group_name          = aws_elasticache_subnet_group.this[0].name
  security_group_ids         = [var.security_group_id]
  snapshot_retention_limit   = 0
}
