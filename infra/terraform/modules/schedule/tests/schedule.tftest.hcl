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
  jars               = ["connector.jar"]
  artefacts_bucket   = { name = "artefacts" }
  lake_bucket        = "lake"
  raw_bucket         = "raw"
  log_bucket         = "logs"
  lake_key_arn       = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  alert_key_arn      = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  job_log_group      = "/paylake-test/jobs"
  log_retention_days = 90
  engine             = "serverless"
  application        = { id = "00f1", arn = "arn:aws:emr-serverless:eu-central-1:123456789012:/applications/00f1" }
  emr_cluster        = { id = "j-1", arn = "arn:aws:elasticmapreduce:eu-central-1:123456789012:cluster/j-1" }
  bootstrap_servers  = "b-1:9098"
  database           = "paylake_test"
  sensitivity_tag    = "sensitivity"
  tagged             = {}
  table_prefix       = "paylake-test-"
  cache              = { address = "redis.example", user = "paylake-test-serving", group = "paylake-test" }
  enabled            = true
  alert_topic_arn    = "arn:aws:sns:eu-central-1:123456789012:page"
  region             = "eu-central-1"

  role_arns = {
    batch   = "arn:aws:iam::123456789012:role/batch"
    quality = "arn:aws:iam::123456789012:role/quality"
    catalog = "arn:aws:iam::123456789012:role/catalog"
    serving = "arn:aws:iam::123456789012:role/serving"
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

run "publishes_to_redis_by_iam" {
  assert {
    condition = join(" ", slice(
      jsondecode(aws_sfn_state_machine.nightly.definition).States.PublishServing.Arguments.JobDriver.SparkSubmit.EntryPointArguments, 8, 12
    )) == "--redis rediss://paylake-test-serving@redis.example:6379/0 --redis-iam paylake-test"
    error_message = "The night logs in to Redis as a user, by TLS, without a password."
  }
}

run "publishes_to_dynamodb_alone_without_redis" {
  variables {
    cache = null
  }

  assert {
    condition     = !strcontains(aws_sfn_state_machine.nightly.definition, "--redis")
    error_message = "Without Redis nothing is published to it."
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
    condition = strcontains(
      join(" ", jsondecode(aws_sfn_state_machine.nightly.definition).States.PassQualityGate.Arguments.Step.HadoopJarStep.Args),
      "spark.archives=s3://artefacts/jobs/1.0.0/environment-arm64.tar.gz#environment"
    )
    error_message = "A cluster has no image, so the packed environment comes along."
  }

  assert {
    condition     = jsondecode(aws_sfn_state_machine.nightly.definition).States.PassQualityGate.Arguments.ExecutionRoleArn == "arn:aws:iam::123456789012:role/quality"
    error_message = "Each step has the role of its component."
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
