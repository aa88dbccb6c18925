mock_provider "aws" {
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::audit", id = "audit" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:trail" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/one" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:trail" }
  }
}

variables {
  name               = "paylake-test"
  place              = { account = "123456789012", partition = "aws", region = "eu-central-1" }
  key_arn            = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  topic_key_arn      = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  alert_topic_arn    = "arn:aws:sns:eu-central-1:123456789012:page"
  bucket_arns        = ["arn:aws:s3:::lake"]
  table_arns         = ["arn:aws:dynamodb:eu-central-1:123456789012:table/totals"]
  object_lock        = { mode = "COMPLIANCE", days = 400 }
  log_bucket         = "logs"
  log_retention_days = 400
  guardduty_enabled  = false
}

run "records_every_access_to_data" {
  assert {
    condition     = aws_cloudtrail.this.enable_log_file_validation && aws_cloudtrail.this.is_multi_region_trail
    error_message = "The trail can be checked, and covers every region."
  }

  assert {
    condition     = contains(flatten([for s in aws_cloudtrail.this.event_selector : [for d in s.data_resource : d.values]]), "arn:aws:s3:::lake/")
    error_message = "Each object that is read or written is recorded."
  }

  assert {
    condition     = length(aws_guardduty_detector.this) == 0
    error_message = "GuardDuty costs, and is there where asked."
  }
}

run "refuses_less_than_three_months_at_hand" {
  command = plan

  variables {
    log_retention_days = 30
  }

  expect_failures = [var.log_retention_days]
}
