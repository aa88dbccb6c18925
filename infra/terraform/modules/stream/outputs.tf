output "cluster_arn" {
  description = "ARN of the cluster."
  value       = aws_msk_cluster.this.arn
}

output "cluster_name" {
  description = "Name of the cluster, as its metrics carry it."
  value       = aws_msk_cluster.this.cluster_name
}

output "bootstrap_servers" {
  description = "Brokers for IAM clients, for KAFKA_BOOTSTRAP_SERVERS."
  value       = aws_msk_cluster.this.bootstrap_brokers_sasl_iam
}
