output "urls" {
  description = "streaming, batch, cluster-autoscaler -> address to push to and pull from."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "arns" {
  description = "streaming, batch, cluster-autoscaler -> ARN of the repository."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.arn }
}
