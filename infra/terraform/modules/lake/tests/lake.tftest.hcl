mock_provider "aws" {
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::one" }
  }
}

variables {
  name         = "paylake-test"
  place        = { account = "123456789012", partition = "aws", region = "eu-central-1" }
  lake_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "has_four_buckets" {
  command = plan

  assert {
    condition     = toset(keys(output.arns)) == toset(["raw", "processed", "logs", "artefacts"])
    error_message = "There are four buckets."
  }
}

run "refuses_less_than_a_year_of_logs" {
  command = plan

  variables {
    log_days = 90
  }

  expect_failures = [var.log_days]
}
