output "bucket" {
  description = "Bucket of the trail."
  value       = module.bucket.id
}

output "bucket_arn" {
  description = "ARN of the bucket of the trail."
  value       = module.bucket.arn
}

output "trail_arn" {
  description = "ARN of the trail."
  value       = aws_cloudtrail.this.arn
}

output "trail_log_group" {
  description = "CloudWatch log group of the trail."
  value       = aws_cloudwatch_log_group.trail.name
}
