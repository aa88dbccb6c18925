mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/one" }
  }

  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
  }
}

variables {
  name  = "paylake-test"
  place = { account = "123456789012", partition = "aws", region = "eu-central-1" }

  components = {
    writer = {
      description     = "Writes."
      services        = ["pods.eks"]
      service_account = { namespace = "paylake", name = "writer" }
      card_key        = true
      lake_writes     = ["raw/one/"]
      topics_read     = ["pg-transactions"]
    }
    reader = {
      description = "Reads."
      services    = ["emr-serverless"]
      lake_reads  = ["final/"]
    }
    publisher = {
      description    = "Publishes."
      services       = ["emr-serverless"]
      tables_written = ["totals"]
    }
  }

  teams           = { finance = { reads = ["internal"], acts = true }, risk = { reads = ["internal"], acts = false } }
  bucket_arns     = { raw = "arn:aws:s3:::r", processed = "arn:aws:s3:::p", logs = "arn:aws:s3:::l", artefacts = "arn:aws:s3:::a" }
  key_arns        = { lake = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555a", logs = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555b", serving = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555c", card = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555d" }
  card_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:card-abcdef"
  cluster_arn     = "arn:aws:kafka:eu-central-1:123456789012:cluster/paylake-test/0-1"
  table_arns      = { totals = "arn:aws:dynamodb:eu-central-1:123456789012:table/totals" }
  cache_arns      = {}
  database        = "paylake_test"
  workgroup       = "paylake-test"
  repository_arns = ["arn:aws:ecr:eu-central-1:123456789012:repository/paylake-test/batch"]
}

run "lets_a_component_do_what_its_row_says" {
  assert {
    condition = contains(flatten([
      for s in jsondecode(aws_iam_role_policy.component["writer"].policy).Statement : s.Resource if s.Sid == "WriteLake"
    ]), "arn:aws:s3:::p/raw/one/*")
    error_message = "A writer writes its own prefix."
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.component["reader"].policy, "s3:PutObject\",\"s3") && !strcontains(aws_iam_role_policy.component["reader"].policy, "WriteLake")
    error_message = "A reader does not write the lake."
  }

  assert {
    condition     = strcontains(aws_iam_role_policy.component["writer"].policy, ":topic/paylake-test/0-1/pg-transactions")
    error_message = "A topic is named by its cluster and itself."
  }

  assert {
    condition     = strcontains(aws_iam_role_policy.component["writer"].policy, "ReadTheCardKey") && !strcontains(aws_iam_role_policy.component["reader"].policy, "ReadTheCardKey")
    error_message = "Only who makes tokens reads the key of the tokens."
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(aws_iam_role_policy.component["publisher"].policy).Statement : [s.Action, s.Resource] if strcontains(jsonencode(s.Action), "dynamodb")
    ]) == jsonencode([[["dynamodb:PutItem"], ["arn:aws:dynamodb:eu-central-1:123456789012:table/totals"]]])
    error_message = "A publisher writes its tables, and reads none."
  }

  assert {
    condition     = strcontains(aws_iam_role_policy.team["finance"].policy, "ActOnBreaks") && !strcontains(aws_iam_role_policy.team["risk"].policy, "ActOnBreaks")
    error_message = "Only teams that act may write acts."
  }

  assert {
    condition     = output.ci_role_arn == null
    error_message = "Without continuous integration there is no role for it."
  }
}

run "speaks_of_no_kafka_while_there_is_none" {
  variables {
    cluster_arn = null
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.component["writer"].policy, "kafka-cluster")
    error_message = "While the stack rests, nobody may anything in Kafka."
  }
}

run "trusts_one_repository" {
  variables {
    ci = { repository = "example/paylake", environment = "prod" }
  }

  assert {
    condition     = strcontains(aws_iam_role.ci[0].assume_role_policy, "repo:example/paylake:environment:prod")
    error_message = "Continuous integration is one repository in one environment."
  }
}

run "refuses_any_repository" {
  command = plan

  variables {
    ci = { repository = "example/*", environment = "prod" }
  }

  expect_failures = [var.ci]
}

run "refuses_an_unknown_service" {
  command = plan

  variables {
    components = { one = { description = "One.", services = ["lambda"] } }
  }

  expect_failures = [var.components]
}
