output "name" {
  description = "Name of the stack."
  value       = local.name
}

output "buckets" {
  description = "raw, processed, logs, artefacts, audit -> bucket."
  value       = merge(module.lake.buckets, { audit = module.audit.bucket })
}

output "lake" {
  description = "The lake, for --lake and PAYLAKE_LAKE."
  value       = "s3a://${module.lake.buckets["processed"]}"
}

output "landing" {
  description = "The landing zone of history, for PAYLAKE_LANDING."
  value       = "s3a://${module.lake.buckets["raw"]}/landing"
}

output "token_key" {
  description = "The key of the card tokens, for --token-key."
  value       = "aws-secret:${module.secret.name}"
}

output "bootstrap_servers" {
  description = "Kafka's brokers, for KAFKA_BOOTSTRAP_SERVERS; null while the stack rests."
  value       = one(module.stream[*].bootstrap_servers)
}

output "eks_cluster_name" {
  description = "Kubernetes, for aws eks update-kubeconfig; null while the stack rests."
  value       = module.compute.eks_cluster_name
}

output "repositories" {
  description = "streaming, batch, cluster-autoscaler -> where images are pushed."
  value       = module.registry.urls
}

output "role_arns" {
  description = "Component -> role."
  value       = module.identity.role_arns
}

output "team_role_arns" {
  description = "Team -> role."
  value       = module.identity.team_role_arns
}

output "ci_role_arn" {
  description = "Role of continuous integration."
  value       = module.identity.ci_role_arn
}

output "machine_arns" {
  description = "nightly, deadline, topics -> state machine."
  value       = module.schedule.machine_arns
}

output "database" {
  description = "Glue's database."
  value       = module.catalog.database
}

output "workgroup" {
  description = "Athena's workgroup."
  value       = module.catalog.workgroup
}

output "cache_address" {
  description = "Redis; null while the stack rests."
  value       = module.serving.cache_address
}

output "topic_arns" {
  description = "page, ticket -> topic of alerts."
  value       = module.observability.topic_arns
}

output "holds_data" {
  description = "Whatever holds data, by what it is; a root guards it against destruction."
  value = merge(
    { for what, arn in module.lake.arns : "bucket ${what}" => arn },
    { for purpose, arn in module.keys.arns : "key ${purpose}" => arn },
    { for table, arn in module.serving.table_arns : "table ${table}" => arn },
    { "bucket audit" = module.audit.bucket_arn, "secret card" = module.secret.arn },
    { for arn in module.stream[*].cluster_arn : "kafka" => arn },
  )
}
