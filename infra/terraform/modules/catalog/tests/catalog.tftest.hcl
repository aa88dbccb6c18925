mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/one" }
  }

  mock_resource "aws_lakeformation_resource" {
    defaults = { arn = "arn:aws:s3:::lake" }
  }
}

variables {
  name            = "paylake-test"
  place           = { account = "123456789012", partition = "aws", region = "eu-central-1" }
  database        = "paylake_test"
  lake_bucket     = { name = "lake", arn = "arn:aws:s3:::lake" }
  results_bucket  = "artefacts"
  key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  questions       = { one = { team = "finance", asks = "One?", sql = "SELECT 1" } }
  sensitivities   = ["internal", "card", "restricted"]
  teams           = { compliance = { role_arn = "arn:aws:iam::123456789012:role/c", reads = ["internal", "restricted"] } }
  keeper_role_arn = "arn:aws:iam::123456789012:role/k"
  tagger_role_arn = "arn:aws:iam::123456789012:role/a"
  admin_arns      = ["arn:aws:iam::123456789012:role/admin"]
}

run "closes_what_nobody_has_tagged" {
  assert {
    condition     = one(aws_lakeformation_resource_lf_tags.database.lf_tag).value == "restricted"
    error_message = "A table without a tag of its own is closed."
  }

  assert {
    condition     = aws_athena_workgroup.this.configuration[0].enforce_workgroup_configuration
    error_message = "Nobody turns the encryption of answers off."
  }

  assert {
    condition     = aws_athena_named_query.question["one"].query == "SELECT 1"
    error_message = "A question is a named query."
  }
}

run "refuses_a_name_that_athena_would_have_to_quote" {
  command = plan

  variables {
    database = "Paylake-Test"
  }

  expect_failures = [var.database]
}
