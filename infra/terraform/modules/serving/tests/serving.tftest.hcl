mock_provider "aws" {
  mock_resource "aws_dynamodb_table" {
    defaults = { arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/one" }
  }

  mock_resource "aws_elasticache_replication_group" {
    defaults = { arn = "arn:aws:elasticache:eu-central-1:123456789012:replicationgroup:one" }
  }

  mock_resource "aws_elasticache_user" {
    defaults = { arn = "arn:aws:elasticache:eu-central-1:123456789012:user:one" }
  }
}

variables {
  name                = "paylake-test"
  key_arn             = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  cache_enabled       = true
  cache_nodes         = 2
  subnet_ids          = ["subnet-1", "subnet-2", "subnet-3"]
  security_group_id   = "sg-1"
  deletion_protection = true
}

run "is_encrypted_and_survives_a_node" {
  assert {
    condition     = aws_elasticache_replication_group.this[0].transit_encryption_enabled && aws_elasticache_replication_group.this[0].automatic_failover_enabled
    error_message = "Redis speaks TLS, and one node takes over from another."
  }

  assert {
    condition     = alltrue([for t in aws_dynamodb_table.this : t.deletion_protection_enabled && t.point_in_time_recovery[0].enabled])
    error_message = "What dashboards read cannot be deleted by accident, and can be brought back."
  }
}

run "is_small_where_asked" {
  variables {
    cache_nodes = 1
  }

  assert {
    condition     = !aws_elasticache_replication_group.this[0].automatic_failover_enabled
    error_message = "One node has nobody to take over."
  }
}

run "has_no_redis_where_it_rests" {
  variables {
    cache_enabled = false
  }

  assert {
    condition     = output.cache_address == null && output.cache == null && length(output.cache_arns) == 0 && length(aws_elasticache_user.serving) == 0
    error_message = "Without Redis there is none of its parts."
  }
}
