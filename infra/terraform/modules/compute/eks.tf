# Kubernetes for what always runs: drivers on machines that stay, executors on spot machines that come and go.

locals {
  cluster_policies = ["AmazonEKSClusterPolicy"]
  node_policies = [
    "AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly",
  ]
  nodes = var.eks_enabled ? var.node_groups : {}
}

resource "aws_cloudwatch_log_group" "control_plane" {
  count             = var.eks_enabled ? 1 : 0
  name              = "/aws/eks/${var.name}/cluster"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_key_arn
}

resource "aws_iam_role" "control_plane" {
  count       = var.eks_enabled ? 1 : 0
  name        = "${var.name}-eks"
  description = "The control plane of Kubernetes."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "eks.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "control_plane" {
  for_each   = toset(var.eks_enabled ? local.cluster_policies : [])
  role       = aws_iam_role.control_plane[0].name
  policy_arn = "arn:${var.place.partition}:iam::aws:policy/${each.key}"
}

resource "aws_iam_role" "node" {
  count       = var.eks_enabled ? 1 : 0
  name        = "${var.name}-node"
  description = "Nodes of Kubernetes: they join and pull images. Pods have roles of their own."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "node" {
  for_each   = toset(var.eks_enabled ? local.node_policies : [])
  role       = aws_iam_role.node[0].name
  policy_arn = "arn:${var.place.partition}:iam::aws:policy/${each.key}"
}

resource "aws_eks_cluster" "this" {
  count                     = var.eks_enabled ? 1 : 0
  name                      = var.name
  role_arn                  = aws_iam_role.control_plane[0].arn
  version                   = var.eks_version
  enabled_cluster_log_types = ["api", "audit", "authenticator", "controllerManager", "scheduler"]

  vpc_config {
    subnet_ids              = var.subnet_ids
    security_group_ids      = [var.security_group_ids["workers"]]
    endpoint_private_access = true
    endpoint_public_access  = length(var.eks_public_cidrs) > 0
    public_access_cidrs     = length(var.eks_public_cidrs) > 0 ? var.eks_public_cidrs : null
  }

  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = false
  }

  encryption_config {
    resources = ["secrets"]

    provider {
      key_arn = var.cluster_key_arn
    }
  }

  depends_on = [aws_cloudwatch_log_group.control_plane, aws_iam_role_policy_attachment.control_plane]
}

resource "aws_launch_template" "node" {
  count       = var.eks_enabled ? 1 : 0
  name        = "${var.name}-node"
  description = "Encrypted disk, metadata by session token only, and one hop: no pod reaches the node's role."

  vpc_security_group_ids = [
    var.security_group_ids["workers"], aws_eks_cluster.this[0].vpc_config[0].cluster_security_group_id,
  ]

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = 100
      encrypted             = true
      kms_key_id            = var.cluster_key_arn
      delete_on_termination = true
    }
  }

  monitoring {
    enabled = true
  }
}

resource "aws_eks_node_group" "this" {
  for_each        = local.nodes
  cluster_name    = aws_eks_cluster.this[0].name
  node_group_name = each.key
  node_role_arn   = aws_iam_role.node[0].arn
  subnet_ids      = var.subnet_ids
  ami_type        = "AL2023_ARM_64_STANDARD"
  capacity_type   = each.value.capacity
  instance_types  = each.value.instance_types
  labels          = { "paylake/nodes" = each.key }

  launch_template {
    id      = aws_launch_template.node[0].id
    version = aws_launch_template.node[0].latest_version
  }

  scaling_config {
    min_size     = each.value.least
    max_size     = each.value.most
    desired_size = each.value.least
  }

  update_config {
    max_unavailable = 1
  }

  tags = {
    "k8s.io/cluster-autoscaler/enabled"     = "true"
    "k8s.io/cluster-autoscaler/${var.name}" = "owned"
  }

  lifecycle {
    # the cluster autoscaler moves it
    ignore_changes = [scaling_config[0].desired_size]
  }

  depends_on = [aws_iam_role_policy_attachment.node]
}

resource "aws_eks_addon" "this" {
  for_each                    = { for name, settings in var.addons : name => settings if var.eks_enabled }
  cluster_name                = aws_eks_cluster.this[0].name
  addon_name                  = each.key
  configuration_values        = length(each.value) > 0 ? jsonencode(each.value) : null
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  depends_on                  = [aws_eks_node_group.this]
}

resource "aws_eks_pod_identity_association" "this" {
  for_each        = { for name, identity in var.pod_identities : name => identity if var.eks_enabled }
  cluster_name    = aws_eks_cluster.this[0].name
  namespace       = each.value.namespace
  service_account = each.value.service_account
  role_arn        = each.value.role_arn
}

resource "aws_eks_access_entry" "this" {
  for_each      = { for arn, access in var.kube_access : arn => access if var.eks_enabled }
  cluster_name  = aws_eks_cluster.this[0].name
  principal_arn = each.key
}

resource "aws_eks_access_policy_association" "this" {
  for_each      = aws_eks_access_entry.this
  cluster_name  = aws_eks_cluster.this[0].name
  principal_arn = each.value.principal_arn
  policy_arn    = "arn:${var.place.partition}:eks::aws:cluster-access-policy/${var.kube_access[each.key].policy}"

  access_scope {
    type       = length(var.kube_access[each.key].namespaces) > 0 ? "namespace" : "cluster"
    namespaces = length(var.kube_access[each.key].namespaces) > 0 ? var.kube_access[each.key].namespaces : null
  }
}
