output "role_arns" {
  description = "Component -> ARN of its role."
  value       = { for name, role in aws_iam_role.component : name => role.arn }
}

output "role_names" {
  description = "Component -> name of its role."
  value       = { for name, role in aws_iam_role.component : name => role.name }
}

output "team_role_arns" {
  description = "Team -> ARN of its role."
  value       = { for name, role in aws_iam_role.team : name => role.arn }
}

output "ci_role_arn" {
  description = "ARN of continuous integration's role; null without one."
  value       = one(aws_iam_role.ci[*].arn)
}
