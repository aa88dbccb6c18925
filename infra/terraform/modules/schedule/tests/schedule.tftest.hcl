mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/one" }
  }

  mock_resource "aws_sfn_state_machine" {
    defaults = { arn = "arn:aws:states:eu-central-1:123456789012:stateMachine:one" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-central-1:123456789012:one" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:one" }
  }
}

variables {
  name               = "paylake-test"
  place              = { account = "123456789012", partition = "aws", region = "eu-central-1" }
  release            = "1.0.0"
  scripts            = {}
  artefacts_bucket   = { name = "artefacts", arn = "arn:aws:s3:::artefacts" }
  lake_bucket        = "lake"
  raw_bucket         = "raw"
  log_bucket         = "logs"
  lake_key_arn       = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  alert_key_arn      = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  serving_key_arn    = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  job_log_group      = "/paylake-test/jobs"
  log_retention_days = 90
  engine             = "serverless"
  application        = { id = "00f1", arn = "arn:aws:emr-serverless:eu-central-1:123456789012:/applications/00f1" }
  emr_cluster        = { id = "j-1", arn = "arn:aws:elasticmapreduce:eu-central-1:123456789012:cluster/j-1" }
  bootstrap_servers  = "b-1:9098"
  database           = "paylake_test"
  workgroup          = "paylake-test"
  sensitivity_tag    = "sensitivity"
  tagged             = {}
  totals_query       = "SELECT 1"
  totals_columns     = ["run_id"]
  totals_table       = { name = "totals", arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/totals" }
  enabled            = true
  alert_topic_arn    = "arn:aws:sns:eu-central-1:123456789012:page"
  region             = "eu-central-1"

  role_arns = {
    batch   = "arn:aws:iam::123456789012:role/batch"
    quality = "arn:aws:iam::123456789012:role/quality"
    catalog = "arn:aws:iam::123456789012:role/catalog"
    topics  = "arn:aws:iam::123456789012:role/topics"
  }
}

run "runs_on_serverless" {
  assert {
    condition     = jsondecode(aws_sfn_state_machine.nightly.definition).States.BuildBatchIndex.Resource == "arn:aws:states:::emr-serverless:startJobRun.sync"
    error_message = "The jobs run where the engine says."
  }

  assert {
    condition     = jsondecode(aws_sfn_state_machine.nightly.definition).States.BuildBatchIndex.Arguments.ApplicationId == "00f1"
    error_message = "They run in the application that was given."
  }
}

run "runs_on_a_cluster" {
  variables {
    engine      = "cluster"
    application = null
  }

  assert {
    condition     = jsondecode(aws_sfn_state_machine.nightly.definition).States.BuildBatchIndex.Arguments.Step.HadoopJarStep.Args[0] == "spark-submit"
    error_message = "A step of a cluster is a spark-submit."
  }

  assert {
    condition     = jsondecode(aws_sfn_state_machine.nightly.definition).States.BuildBatchIndex.Arguments.ClusterId == "j-1"
    error_message = "They run on the cluster that was given."
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.run.policy, "emr-serverless:StartJobRun")
    error_message = "What is not there, the run may not start."
  }
}

run "does_not_start_by_itself_unless_enabled" {
  variables {
    enabled = false
  }

  assert {
    condition     = alltrue([for s in aws_scheduler_schedule.this : s.state == "DISABLED"])
    error_message = "A schedule that is off is off."
  }
}

run "refuses_a_schedule_without_anything_to_run_on" {
  command = plan

  variables {
    application = null
  }

  expect_failures = [aws_sfn_state_machine.nightly]
}

run "refuses_an_unknown_engine" {
  command = plan

  variables {
    engine = "abacus"
  }

  expect_failures = [var.engine]
}
