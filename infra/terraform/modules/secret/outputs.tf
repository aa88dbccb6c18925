output "arn" {
  description = "ARN of the secret that holds the key of the card tokens."
  value       = aws_secretsmanager_secret.this.arn
}

output "name" {
  description = "Name of that secret, for --token-key aws-secret:NAME."
  value       = aws_secretsmanager_secret.this.name
}
