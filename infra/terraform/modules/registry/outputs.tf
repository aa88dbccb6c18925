output "urls" {
  description = "streaming, batch -> address to push to and pull from."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "arns" {
  description = "streaming, batch -> ARN of the repository."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.arn }
}
