output "role_arn" {
  description = "Role of the nightly run."
  value       = aws_iam_role.run.arn
}

output "machine_arns" {
  description = "nightly, deadline, topics -> state machine."
  value = {
    nightly  = aws_sfn_state_machine.nightly.arn
    deadline = aws_sfn_state_machine.deadline.arn
    topics   = aws_sfn_state_machine.topics.arn
  }
}

output "missed_queue_name" {
  description = "Queue of starts that failed."
  value       = aws_sqs_queue.missed.name
}

output "scripts_uri" {
  description = "Where this release's job scripts lie."
  value       = local.scripts_uri
}
