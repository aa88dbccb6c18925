output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "One private subnet per zone, in the order of the zones."
  value       = [for zone in var.zones : aws_subnet.private[zone].id]
}

output "security_group_ids" {
  description = "workers, batch, stream, cache, endpoints -> security group."
  value       = { for name, group in aws_security_group.this : name => group.id }
}
