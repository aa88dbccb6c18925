output "table_arns" {
  description = "DynamoDB tables by name."
  value       = { for name, table in aws_dynamodb_table.this : name => table.arn }
}

output "table_names" {
  description = "DynamoDB tables: what they are -> their name."
  value       = { for name, table in aws_dynamodb_table.this : name => table.name }
}

output "cache_arns" {
  description = "ARNs of Redis and of the user that its clients are; empty without Redis."
  value = var.cache_enabled ? {
    redis = aws_elasticache_replication_group.this[0].arn
    user  = aws_elasticache_user.serving[0].arn
  } : {}
}

output "cache" {
  description = "Redis as its clients need it: host, user, and the group that the user logs in to by IAM; null without Redis."
  value = one([for group in aws_elasticache_replication_group.this : {
    address = group.primary_endpoint_address
    user    = aws_elasticache_user.serving[0].user_name
    group   = group.replication_group_id
  }])
}

output "cache_address" {
  description = "Host of Redis, port 6379, TLS only; null without Redis."
  value       = one(aws_elasticache_replication_group.this[*].primary_endpoint_address)
}
