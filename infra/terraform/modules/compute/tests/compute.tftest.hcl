mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/one" }
  }

  mock_resource "aws_eks_cluster" {
    defaults = { arn = "arn:aws:eks:eu-central-1:123456789012:cluster/paylake-test" }
  }

  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0", latest_version = 1 }
  }

  mock_resource "aws_emrserverless_application" {
    defaults = { arn = "arn:aws:emr-serverless:eu-central-1:123456789012:/applications/one", id = "one" }
  }
}

variables {
  name                = "paylake-test"
  place               = { account = "123456789012", partition = "aws", region = "eu-central-1" }
  vpc_id              = "vpc-1"
  subnet_ids          = ["subnet-1", "subnet-2", "subnet-3"]
  security_group_ids  = { workers = "sg-1", batch = "sg-2" }
  cluster_key_arn     = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  lake_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_retention_days  = 90
  log_bucket          = "logs"
  eks_enabled         = true
  serverless_enabled  = true
  cluster_enabled     = false
  release_label       = "emr-spark-8.0.0"
  image_uri           = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/batch:1"
  step_role_arns      = ["arn:aws:iam::123456789012:role/paylake-test-batch"]
  certificates_object = "s3://artefacts/emr/certificates.zip"
  node_groups         = { drivers = { instance_types = ["m7g.large"], capacity = "ON_DEMAND", least = 1, most = 3 } }
  pod_identities = {
    reconcile = { namespace = "paylake", service_account = "reconcile-ledgers", role_arn = "arn:aws:iam::123456789012:role/one" }
  }
}

run "is_closed_to_the_outside" {
  assert {
    condition     = !aws_eks_cluster.this[0].vpc_config[0].endpoint_public_access && aws_eks_cluster.this[0].vpc_config[0].endpoint_private_access
    error_message = "Without addresses that may, nobody reaches the control plane from outside."
  }

  assert {
    condition     = !aws_eks_cluster.this[0].access_config[0].bootstrap_cluster_creator_admin_permissions
    error_message = "Who made the cluster is not its administrator for that."
  }

  assert {
    condition     = length(aws_emr_cluster.this) == 0 && output.application.id == "one" && output.emr_cluster == null
    error_message = "There is what was enabled, and nothing else."
  }

  assert {
    condition     = aws_emrserverless_application.batch[0].image_configuration[0].image_uri == var.image_uri
    error_message = "The jobs run in their own image."
  }
}

run "is_nothing_while_the_stack_rests" {
  variables {
    eks_enabled        = false
    serverless_enabled = false
  }

  assert {
    condition     = length(aws_eks_node_group.this) == 0 && length(aws_eks_addon.this) == 0 && output.eks_cluster_name == null && output.application == null
    error_message = "What rests costs nothing."
  }
}

run "has_a_cluster_where_asked" {
  variables {
    cluster_enabled = true
  }

  assert {
    condition     = jsondecode(aws_emr_security_configuration.this[0].configuration).EncryptionConfiguration.EnableInTransitEncryption
    error_message = "The cluster's nodes speak encrypted."
  }

  assert {
    condition     = aws_emr_cluster.this[0].auto_termination_policy[0].idle_timeout == 3600
    error_message = "A cluster that nobody uses ends."
  }
}

run "refuses_to_open_to_everybody" {
  command = plan

  variables {
    eks_public_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.eks_public_cidrs]
}

run "refuses_more_at_least_than_at_most" {
  command = plan

  variables {
    node_groups = { drivers = { instance_types = ["m7g.large"], capacity = "ON_DEMAND", least = 4, most = 3 } }
  }

  expect_failures = [var.node_groups]
}
