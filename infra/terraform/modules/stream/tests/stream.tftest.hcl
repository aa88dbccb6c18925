mock_provider "aws" {
  mock_resource "aws_msk_cluster" {
    defaults = { arn = "arn:aws:kafka:eu-central-1:123456789012:cluster/paylake-test/0-1" }
  }

  mock_resource "aws_msk_configuration" {
    defaults = { arn = "arn:aws:kafka:eu-central-1:123456789012:configuration/paylake-test/0-1", latest_revision = 1 }
  }
}

variables {
  name              = "paylake-test"
  broker_type       = "kafka.t3.small"
  volume_gib        = 20
  max_volume_gib    = 100
  subnet_ids        = ["subnet-1", "subnet-2", "subnet-3"]
  security_group_id = "sg-1"
  key_arn           = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_group         = "/paylake-test/kafka"
}

run "takes_iam_identities_over_tls_only" {
  assert {
    condition     = aws_msk_cluster.this.client_authentication[0].sasl[0].iam && !aws_msk_cluster.this.client_authentication[0].unauthenticated
    error_message = "Nobody without an IAM identity gets in."
  }

  assert {
    condition     = aws_msk_cluster.this.encryption_info[0].encryption_in_transit[0].client_broker == "TLS" && aws_msk_cluster.this.encryption_info[0].encryption_in_transit[0].in_cluster
    error_message = "Everything is encrypted on its way."
  }

  assert {
    condition     = strcontains(aws_msk_configuration.this.server_properties, "auto.create.topics.enable=false")
    error_message = "No topic is made by a typing error."
  }

  assert {
    condition     = aws_appautoscaling_target.disk.max_capacity == 100
    error_message = "Disks grow, up to what was said."
  }
}

run "refuses_two_subnets" {
  command = plan

  variables {
    subnet_ids = ["subnet-1", "subnet-2"]
  }

  expect_failures = [var.subnet_ids]
}
