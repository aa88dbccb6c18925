output "topic_arns" {
  description = "page, ticket -> topic."
  value       = { for name, topic in aws_sns_topic.this : name => topic.arn }
}

output "log_groups" {
  description = "jobs, streaming, kafka -> CloudWatch log group."
  value       = { for name, group in aws_cloudwatch_log_group.this : name => group.name }
}

output "alarm_names" {
  description = "Every alarm on a metric."
  value       = sort([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name])
}
