# The secret, without its value: Terraform reads back what it writes, so whoever plans could read the key. A custodian makes it
# with infra/card_key.py, and no state, plan or person ever holds it.

resource "aws_secretsmanager_secret" "this" {
  name                    = "${var.name}/card-token-key"
  description             = "Key of the card tokens (HMAC-SHA-256); jobs take it with --token-key aws-secret:NAME."
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.recovery_days
}

resource "aws_secretsmanager_secret_policy" "this" {
  secret_arn = aws_secretsmanager_secret.this.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "NobodyElseReads"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = ["secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue"]
      Resource  = "*"
      Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.readers } }
    }]
  })
}
