output "stack" {
  description = "Addresses and names of the stack, as modules of the application take them."
  value       = module.stack
}
