output "id" {
  description = "The bucket's name."
  value       = aws_s3_bucket.this.id
}

output "arn" {
  description = "The bucket's ARN."
  value       = aws_s3_bucket.this.arn
}

output "policy_id" {
  description = "The bucket whose policy is in force: depend on it where a service is to write there."
  value       = aws_s3_bucket_policy.this.id
}
