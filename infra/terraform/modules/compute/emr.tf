# The nightly work: EMR Serverless, which rests for nothing, and a cluster on EC2 for those who need one.

resource "aws_emrserverless_application" "batch" {
  count         = var.serverless_enabled ? 1 : 0
  name          = "${var.name}-batch"
  release_label = var.release_label
  type          = "SPARK"
  architecture  = "ARM64"

  dynamic "image_configuration" {
    for_each = var.image_uri == null ? [] : [var.image_uri]

    content {
      image_uri = image_configuration.value
    }
  }

  maximum_capacity {
    cpu    = "${var.maximum.vcpu} vCPU"
    memory = "${var.maximum.memory} GB"
    disk   = "${var.maximum.disk} GB"
  }

  auto_start_configuration {
    enabled = true
  }

  auto_stop_configuration {
    enabled              = true
    idle_timeout_minutes = 15
  }

  network_configuration {
    subnet_ids         = var.subnet_ids
    security_group_ids = [var.security_group_ids["batch"]]
  }
}

# --- the cluster on EC2 ---

resource "aws_emr_security_configuration" "this" {
  count = var.cluster_enabled ? 1 : 0
  name  = var.name

  configuration = jsonencode({
    EncryptionConfiguration = {
      EnableAtRestEncryption    = true
      EnableInTransitEncryption = true
      AtRestEncryptionConfiguration = {
        S3EncryptionConfiguration = { EncryptionMode = "SSE-KMS", AwsKmsKey = var.lake_key_arn }
        LocalDiskEncryptionConfiguration = {
          EncryptionKeyProviderType = "AwsKms"
          AwsKmsKey                 = var.cluster_key_arn
          EnableEbsEncryption       = true
        }
      }
      InTransitEncryptionConfiguration = {
        TLSCertificateConfiguration = { CertificateProviderType = "PEM", S3Object = var.certificates_object }
      }
    }
    InstanceMetadataServiceConfiguration = {
      MinimumInstanceMetadataServiceVersion = 2
      HttpPutResponseHopLimit               = 1
    }
    # each step has the role of its component, as on EMR Serverless
    AuthorizationConfiguration = {
      IAMConfiguration = { EnableApplicationScopedIAMRole = true }
    }
  })
}

resource "aws_security_group" "emr_service" {
  count                  = var.cluster_enabled ? 1 : 0
  name                   = "${var.name}-emr-service"
  description            = "EMR's service, which reaches a private cluster by it; EMR writes the rules"
  vpc_id                 = var.vpc_id
  revoke_rules_on_delete = true
}

resource "aws_iam_role" "emr" {
  count       = var.cluster_enabled ? 1 : 0
  name        = "${var.name}-emr-service"
  description = "EMR starts and stops the cluster's machines with it."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "elasticmapreduce.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.place.account } }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "emr" {
  count      = var.cluster_enabled ? 1 : 0
  role       = aws_iam_role.emr[0].name
  policy_arn = "arn:${var.place.partition}:iam::aws:policy/service-role/AmazonEMRServicePolicy_v2"
}

# What AWS's policy does not hold: giving the machines their role.
resource "aws_iam_role_policy" "emr" {
  count = var.cluster_enabled ? 1 : 0
  name  = "pass-the-machines-their-role"
  role  = aws_iam_role.emr[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "PassTheMachinesRole"
      Effect    = "Allow"
      Action    = ["iam:PassRole"]
      Resource  = [aws_iam_role.machine[0].arn]
      Condition = { StringEquals = { "iam:PassedToService" = "ec2.amazonaws.com" } }
    }]
  })
}

resource "aws_iam_role" "machine" {
  count       = var.cluster_enabled ? 1 : 0
  name        = "${var.name}-emr-machines"
  description = "Machines of EMR's cluster: they keep logs, and become the role of the step that they run."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "machine" {
  count = var.cluster_enabled ? 1 : 0
  name  = "run-steps"
  role  = aws_iam_role.machine[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "BecomeTheRoleOfAStep"
        Effect   = "Allow"
        Action   = ["sts:AssumeRole", "sts:TagSession"]
        Resource = var.step_role_arns
      },
      {
        Sid      = "KeepLogs"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = ["arn:${var.place.partition}:s3:::${var.log_bucket}/jobs/emr/*"]
      },
      {
        Sid      = "ReadCertificates"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = [replace(var.certificates_object, "s3://", "arn:${var.place.partition}:s3:::")]
      },
      {
        Sid      = "EncryptLogsAndDisks"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
        Resource = [var.cluster_key_arn, var.lake_key_arn, var.log_key_arn]
      },
    ]
  })
}

resource "aws_iam_instance_profile" "emr" {
  count = var.cluster_enabled ? 1 : 0
  name  = "${var.name}-emr"
  role  = aws_iam_role.machine[0].name
}

resource "aws_emr_cluster" "this" {
  count                  = var.cluster_enabled ? 1 : 0
  name                   = "${var.name}-batch"
  release_label          = var.release_label
  applications           = ["Spark"]
  service_role           = aws_iam_role.emr[0].arn
  security_configuration = aws_emr_security_configuration.this[0].name
  log_uri                = "s3://${var.log_bucket}/jobs/emr/"
  ebs_root_volume_size   = 50

  ec2_attributes {
    subnet_id                         = var.subnet_ids[0]
    instance_profile                  = aws_iam_instance_profile.emr[0].arn
    emr_managed_master_security_group = var.security_group_ids["batch"]
    emr_managed_slave_security_group  = var.security_group_ids["batch"]
    service_access_security_group     = aws_security_group.emr_service[0].id
  }

  master_instance_group {
    instance_type = var.cluster_types.primary
  }

  core_instance_group {
    instance_type  = var.cluster_types.core
    instance_count = var.cluster_types.cores
  }

  configurations_json = jsonencode([
    { Classification = "delta-defaults", Properties = { "delta.enabled" = "true" } },
    {
      Classification = "spark-hive-site"
      Properties = {
        "hive.metastore.client.factory.class" = "com.amazonaws.glue.catalog.metastore.AWSGlueDataCatalogHiveClientFactory"
      }
    },
  ])

  auto_termination_policy {
    idle_timeout = 3600
  }

  tags = { "for-use-with-amazon-emr-managed-policies" = "true" }
}

resource "aws_emr_managed_scaling_policy" "this" {
  count      = var.cluster_enabled ? 1 : 0
  cluster_id = aws_emr_cluster.this[0].id

  compute_limits {
    unit_type                       = "Instances"
    minimum_capacity_units          = var.cluster_types.cores
    maximum_capacity_units          = var.cluster_most
    maximum_core_capacity_units     = var.cluster_types.cores
    maximum_ondemand_capacity_units = var.cluster_types.cores
  }
}
