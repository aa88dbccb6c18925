mock_provider "aws" {
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:one-abcdef" }
  }
}

variables {
  name          = "paylake-test"
  key_arn       = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  readers       = ["arn:aws:iam::123456789012:role/paylake-test-reconcile"]
  recovery_days = 30
}

run "is_read_by_the_named_roles_only" {
  assert {
    condition     = toset(jsondecode(aws_secretsmanager_secret_policy.this.policy).Statement[0].Condition.ArnNotEquals["aws:PrincipalArn"]) == toset(var.readers)
    error_message = "Whoever is not named is refused."
  }

  assert {
    condition     = output.name == "paylake-test/card-token-key" && aws_secretsmanager_secret.this.kms_key_id == var.key_arn
    error_message = "The secret has the stack's name and the card's key."
  }
}
