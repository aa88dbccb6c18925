output "database" {
  description = "Glue's database of the lake."
  value       = aws_glue_catalog_database.lake.name
}

output "workgroup" {
  description = "Athena's workgroup."
  value       = aws_athena_workgroup.this.name
}

output "sensitivity_tag" {
  description = "Tag of Lake Formation that decides who reads a table."
  value       = aws_lakeformation_lf_tag.sensitivity.key
}
