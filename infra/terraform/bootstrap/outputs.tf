output "bucket" {
  description = "Bucket of the states, for live/*/*.s3.tfbackend."
  value       = module.state.id
}
