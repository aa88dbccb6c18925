# A key per purpose: whoever may use one need not be able to use another, and a leak ends where the purpose ends.

locals {
  root = "arn:${var.place.partition}:iam::${var.place.account}:root"

  administration = [
    "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
    "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
    "kms:ListAliases", "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListKeyRotations", "kms:ListResourceTags",
    "kms:PutKeyPolicy", "kms:RevokeGrant", "kms:RotateKeyOnDemand", "kms:ScheduleKeyDeletion", "kms:TagResource",
    "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
  ]
  use = [
    "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom", "kms:ReEncryptTo",
  ]

  # Services that encrypt on their own behalf, not on that of a role of ours.
  services = {
    logs = ["logs.${var.place.region}.amazonaws.com", "cloudtrail.amazonaws.com", "delivery.logs.amazonaws.com"]
    alerts = ["cloudwatch.amazonaws.com", "events.amazonaws.com", "states.amazonaws.com", "cloudtrail.amazonaws.com",
    "scheduler.amazonaws.com"]
  }

  purposes = {
    lake    = "the lake, what comes in, what is built from it"
    logs    = "logs, access logs and the audit trail"
    stream  = "the brokers' disks"
    cluster = "secrets and disks of Kubernetes and EMR"
    serving = "what dashboards and the API read: DynamoDB and Redis"
    alerts  = "alerts on their way to people, and the schedule's dead letters"
    card    = "the key of the card tokens, and nothing else"
  }

  common = {
    for purpose in setsubtract(keys(local.purposes), ["card"]) : purpose => [
      {
        Sid       = "RolesOfThisAccountByTheirOwnPolicies"
        Effect    = "Allow"
        Principal = { AWS = local.root }
        Action    = concat(local.use, ["kms:CreateGrant"])
        Resource  = "*"
      },
    ]
  }

  of_services = {
    for purpose, names in local.services : purpose => [
      {
        Sid       = "ServicesOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = names }
        Action    = local.use
        Resource  = "*"
        Condition = { StringEqualsIfExists = { "aws:SourceAccount" = var.place.account } }
      },
    ]
  }

  # Autoscaling starts nodes whose disks this key encrypts, with a role that no policy of ours can extend.
  of_autoscaling = {
    cluster = [
      {
        Sid       = "AutoscalingStartsNodesWithEncryptedDisks"
        Effect    = "Allow"
        Principal = { AWS = "*" }
        Action    = concat(local.use, ["kms:CreateGrant"])
        Resource  = "*"
        Condition = {
          StringEquals = { "kms:CallerAccount" = var.place.account }
          ArnLike = {
            "aws:PrincipalArn" = "arn:${var.place.partition}:iam::${var.place.account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
          }
        }
      },
    ]
  }

  of_cards = {
    card = [
      {
        Sid       = "OnlyTheNamedRolesAndOnlyThroughTheSecret"
        Effect    = "Allow"
        Principal = { AWS = local.root }
        Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = {
          ArnEquals    = { "aws:PrincipalArn" = var.card_key_readers }
          StringEquals = { "kms:ViaService" = "secretsmanager.${var.place.region}.amazonaws.com" }
        }
      },
      {
        Sid       = "NobodyElseDecrypts"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = ["kms:Decrypt", "kms:CreateGrant", "kms:ReEncryptFrom"]
        Resource  = "*"
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.card_key_readers } }
      },
    ]
  }
}

resource "aws_kms_key" "this" {
  for_each                = local.purposes
  description             = "${var.name}: ${each.value}"
  enable_key_rotation     = true
  rotation_period_in_days = 365
  deletion_window_in_days = var.deletion_window_days

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "Administration"
        Effect    = "Allow"
        Principal = { AWS = local.root }
        Action    = local.administration
        Resource  = "*"
      }],
      [for statement in lookup(local.common, each.key, []) : statement],
      [for statement in lookup(local.of_services, each.key, []) : statement],
      [for statement in lookup(local.of_autoscaling, each.key, []) : statement],
      [for statement in lookup(local.of_cards, each.key, []) : statement],
    )
  })
}

resource "aws_kms_alias" "this" {
  for_each      = local.purposes
  name          = "alias/${var.name}-${each.key}"
  target_key_id = aws_kms_key.this[each.key].key_id
}
