output "buckets" {
  description = "raw, processed, logs, artefacts -> name of the bucket."
  value = {
    raw       = module.raw.id
    processed = module.processed.id
    logs      = module.logs.policy_id
    artefacts = module.artefacts.id
  }
}

output "arns" {
  description = "raw, processed, logs, artefacts -> ARN of the bucket."
  value = {
    raw       = module.raw.arn
    processed = module.processed.arn
    logs      = module.logs.arn
    artefacts = module.artefacts.arn
  }
}
