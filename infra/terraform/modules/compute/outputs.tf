output "eks_cluster_name" {
  description = "Name of the Kubernetes cluster, for aws eks update-kubeconfig; null without it."
  value       = one(aws_eks_cluster.this[*].name)
}

output "application" {
  description = "The EMR Serverless application, as id and arn; null without it."
  value       = one([for a in aws_emrserverless_application.batch : { id = a.id, arn = a.arn }])
}

output "emr_cluster" {
  description = "The EMR cluster on EC2, as id and arn; null without it."
  value       = one([for c in aws_emr_cluster.this : { id = c.id, arn = c.arn }])
}
