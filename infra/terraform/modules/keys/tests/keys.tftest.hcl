mock_provider "aws" {
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555", key_id = "11111111-2222-3333-4444-555555555555" }
  }
}

variables {
  name             = "paylake-test"
  place            = { account = "123456789012", partition = "aws", region = "eu-central-1" }
  card_key_readers = ["arn:aws:iam::123456789012:role/paylake-test-reconcile"]
}

run "makes_a_key_per_purpose" {
  assert {
    condition     = toset(keys(output.arns)) == toset(["lake", "logs", "stream", "cluster", "serving", "alerts", "card"])
    error_message = "There is a key for each purpose."
  }

  assert {
    condition     = alltrue([for key in aws_kms_key.this : key.enable_key_rotation])
    error_message = "Every key turns over."
  }

  assert {
    condition = length([
      for s in jsondecode(aws_kms_key.this["card"].policy).Statement : s
      if s.Effect == "Allow" && contains(flatten([s.Action]), "kms:Decrypt") && try(s.Condition.ArnEquals["aws:PrincipalArn"], null) == null
    ]) == 0
    error_message = "Nobody decrypts with the card key but the roles that are named."
  }
}

run "refuses_a_pattern_in_place_of_a_role" {
  command = plan

  variables {
    card_key_readers = ["arn:aws:iam::123456789012:role/*"]
  }

  expect_failures = [var.card_key_readers]
}

run "refuses_to_let_a_key_go_at_once" {
  command = plan

  variables {
    deletion_window_days = 1
  }

  expect_failures = [var.deletion_window_days]
}
