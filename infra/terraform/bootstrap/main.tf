# The bucket of Terraform's own states, made once per account with a state on disk, before anything else.

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "paylake", Environment = "shared", ManagedBy = "terraform", DataClass = "internal" }
  }
}

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}

resource "aws_kms_key" "state" {
  description             = "Terraform's states of paylake"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "RolesOfThisAccountByTheirOwnPolicies"
      Effect    = "Allow"
      Principal = { AWS = "arn:${data.aws_partition.this.partition}:iam::${data.aws_caller_identity.this.account_id}:root" }
      Action = [
        "kms:CancelKeyDeletion", "kms:Decrypt", "kms:DescribeKey", "kms:DisableKey", "kms:EnableKey",
        "kms:EnableKeyRotation", "kms:Encrypt", "kms:GenerateDataKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
        "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion",
        "kms:TagResource", "kms:UntagResource", "kms:UpdateKeyDescription",
      ]
      Resource = "*"
    }]
  })
}

resource "aws_kms_alias" "state" {
  name          = "alias/paylake-state"
  target_key_id = aws_kms_key.state.key_id
}

module "state" {
  source  = "../modules/bucket"
  bucket  = "paylake-state-${data.aws_caller_identity.this.account_id}"
  key_arn = aws_kms_key.state.arn
}
