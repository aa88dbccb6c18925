output "table_arns" {
  description = "DynamoDB tables by name."
  value       = { merchant-totals = aws_dynamodb_table.merchant_totals.arn }
}

output "table_names" {
  description = "DynamoDB tables: what they are -> their name."
  value       = { merchant-totals = aws_dynamodb_table.merchant_totals.name }
}

output "cache_arns" {
  description = "ARNs of Redis and of the user that its clients are; empty without Redis."
  value = var.cache_enabled ? {
    redis = aws_elasticache_replication_group.this[0].arn
    user  = aws_elasticache_user.serving[0].arn
  } : {}
}

output "cache_address" {
  description = "Host of Redis, port 6379, TLS only; null without Redis."
  value       = one(aws_elasticache_replication_group.this[*].primary_endpoint_address)
}
