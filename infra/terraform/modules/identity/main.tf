# One role per component, and of what it may do only what it does. A role's statements follow from the component's row.

locals {
  account_root = "arn:${var.place.partition}:iam::${var.place.account}:root"
  glue         = "arn:${var.place.partition}:glue:${var.place.region}:${var.place.account}"
  glue_arns = [
    "${local.glue}:catalog", "${local.glue}:database/${var.database}", "${local.glue}:table/${var.database}/*",
  ]
  workgroup_arn = "arn:${var.place.partition}:athena:${var.place.region}:${var.place.account}:workgroup/${var.workgroup}"

  buckets = { lake = var.bucket_arns["processed"], raw = var.bucket_arns["raw"] }

  # MSK's ARNs of topics and groups are the cluster's with another word in it.
  topic_prefix = var.cluster_arn == null ? null : replace(var.cluster_arn, ":cluster/", ":topic/")
  group_prefix = var.cluster_arn == null ? null : replace(var.cluster_arn, ":cluster/", ":group/")

  reads = {
    for name, c in var.components : name => {
      lake = distinct(concat(c.lake_reads, c.lake_writes))
      raw  = distinct(concat(c.raw_reads, c.raw_writes))
    }
  }
  writes = { for name, c in var.components : name => { lake = c.lake_writes, raw = c.raw_writes } }

  # A writer has to see the folders above its own, and no others.
  lists = {
    for name, by_bucket in local.reads : name => {
      for bucket, prefixes in by_bucket : bucket => distinct(flatten([
        for prefix in prefixes : [split("/", prefix)[0], "${split("/", prefix)[0]}/", "${prefix}*"]
      ]))
    }
  }

  of_storage = {
    for name, c in var.components : name => flatten([
      [for bucket, arn in local.buckets : {
        Sid       = "List${title(bucket)}"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = [arn]
        Condition = { StringLike = { "s3:prefix" = local.lists[name][bucket] } }
      } if length(local.reads[name][bucket]) > 0],
      [for bucket, arn in local.buckets : {
        Sid      = "Read${title(bucket)}"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = [for prefix in local.reads[name][bucket] : "${arn}/${prefix}*"]
      } if length(local.reads[name][bucket]) > 0],
      [for bucket, arn in local.buckets : {
        Sid      = "Write${title(bucket)}"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObject"]
        Resource = [for prefix in local.writes[name][bucket] : "${arn}/${prefix}*"]
      } if length(local.writes[name][bucket]) > 0],
      [for use in ["Decrypt"] : {
        Sid       = "UseTheLakesKey"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = [var.key_arns["lake"]]
        Condition = { StringEquals = { "kms:ViaService" = "s3.${var.place.region}.amazonaws.com" } }
      } if length(local.reads[name].lake) + length(local.reads[name].raw) > 0 || c.releases],
    ])
  }

  of_kafka = {
    for name, c in var.components : name => var.cluster_arn == null ? [] : flatten([
      [for needed in ["Connect"] : {
        Sid      = "Connect"
        Effect   = "Allow"
        Action   = ["kafka-cluster:Connect", "kafka-cluster:DescribeCluster"]
        Resource = [var.cluster_arn]
      } if length(concat(c.topics_read, c.topics_written, c.topics_created)) > 0],
      [for needed in ["ReadTopics"] : {
        Sid      = "ReadTopics"
        Effect   = "Allow"
        Action   = ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"]
        Resource = [for topic in c.topics_read : "${local.topic_prefix}/${topic}"]
      } if length(c.topics_read) > 0],
      [for needed in ["ReadAsSparksGroups"] : {
        Sid      = "ReadAsSparksGroups"
        Effect   = "Allow"
        Action   = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"]
        Resource = ["${local.group_prefix}/spark-kafka-*"]
      } if length(c.topics_read) > 0],
      [for needed in ["WriteTopics"] : {
        Sid      = "WriteTopics"
        Effect   = "Allow"
        Action   = ["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"]
        Resource = [for topic in c.topics_written : "${local.topic_prefix}/${topic}"]
      } if length(c.topics_written) > 0],
      [for needed in ["CreateTopics"] : {
        Sid      = "CreateTopics"
        Effect   = "Allow"
        Action   = ["kafka-cluster:CreateTopic", "kafka-cluster:DescribeTopic"]
        Resource = [for topic in c.topics_created : "${local.topic_prefix}/${topic}"]
      } if length(c.topics_created) > 0],
    ])
  }

  of_card_key = {
    for name, c in var.components : name => flatten([
      for needed in ["card"] : [
        {
          Sid      = "ReadTheCardKey"
          Effect   = "Allow"
          Action   = ["secretsmanager:GetSecretValue"]
          Resource = [var.card_secret_arn]
        },
        {
          Sid       = "DecryptTheCardKey"
          Effect    = "Allow"
          Action    = ["kms:Decrypt"]
          Resource  = [var.key_arns["card"]]
          Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.place.region}.amazonaws.com" } }
        },
      ] if c.card_key
    ])
  }

  of_the_rest = {
    for name, c in var.components : name => flatten([
      [for needed in ["catalog"] : {
        Sid    = "KeepTheCatalog"
        Effect = "Allow"
        Action = [
          "glue:CreateTable", "glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:UpdateTable",
        ]
        Resource = local.glue_arns
      } if c.catalog],
      [for needed in ["releases"] : {
        Sid      = "ReadReleases"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["${var.bucket_arns["artefacts"]}/jobs/*"]
      } if c.releases],
      [for needed in ["logs"] : {
        Sid    = "WriteLogsOfJobs"
        Effect = "Allow"
        Action = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
        Resource = [
          "arn:${var.place.partition}:logs:${var.place.region}:${var.place.account}:log-group:/${var.name}/jobs:*",
        ]
      } if contains(c.services, "emr-serverless")],
      [for needed in ["logs"] : {
        Sid      = "FindTheLogGroup"
        Effect   = "Allow"
        Action   = ["logs:DescribeLogGroups"]
        Resource = ["arn:${var.place.partition}:logs:${var.place.region}:${var.place.account}:*"]
      } if contains(c.services, "emr-serverless")],
      [for needed in ["logs"] : {
        Sid      = "KeepLogsOfJobs"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = ["${var.bucket_arns["logs"]}/jobs/*"]
      } if contains(c.services, "emr-serverless")],
      [for needed in ["logs"] : {
        Sid      = "EncryptLogsOfJobs"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = [var.key_arns["logs"]]
      } if contains(c.services, "emr-serverless")],
      [for needed in ["tables"] : {
        Sid      = "WriteServingTables"
        Effect   = "Allow"
        Action   = ["dynamodb:PutItem"]
        Resource = [for table in c.tables_written : var.table_arns[table]]
      } if length(c.tables_written) > 0],
      [for needed in ["tables"] : {
        Sid       = "EncryptServingTables"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = [var.key_arns["serving"]]
        Condition = { StringEquals = { "kms:ViaService" = "dynamodb.${var.place.region}.amazonaws.com" } }
      } if length(c.tables_written) > 0],
      [for needed in ["cache"] : {
        Sid      = "ConnectToRedis"
        Effect   = "Allow"
        Action   = ["elasticache:Connect"]
        Resource = [var.cache_arns["redis"], var.cache_arns["user"]]
      } if c.cache && length(var.cache_arns) > 0],
      [for needed in ["watch"] : {
        Sid       = "BringMetrics"
        Effect    = "Allow"
        Action    = ["cloudwatch:PutMetricData"]
        Resource  = ["*"]
        Condition = { StringEquals = { "cloudwatch:namespace" = ["ContainerInsights", "CWAgent", "paylake/${var.name}"] } }
      } if c.watches_nodes],
      [for needed in ["watch"] : {
        Sid    = "BringLogs"
        Effect = "Allow"
        Action = [
          "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents",
          "logs:PutRetentionPolicy",
        ]
        Resource = [for group in ["/aws/containerinsights/${var.name}/*", "/${var.name}/streaming"] :
          "arn:${var.place.partition}:logs:${var.place.region}:${var.place.account}:log-group:${group}:*"
        ]
      } if c.watches_nodes],
      [for needed in ["watch"] : {
        Sid      = "SeeMachines"
        Effect   = "Allow"
        Action   = ["ec2:DescribeTags", "ec2:DescribeVolumes", "logs:DescribeLogGroups"]
        Resource = ["*"]
      } if c.watches_nodes],
      [for needed in ["nodes"] : {
        Sid    = "SeeNodes"
        Effect = "Allow"
        Action = [
          "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances",
          "autoscaling:DescribeLaunchConfigurations", "autoscaling:DescribeScalingActivities",
          "ec2:DescribeImages", "ec2:DescribeInstanceTypes", "ec2:DescribeLaunchTemplateVersions",
          "ec2:GetInstanceTypesFromInstanceRequirements",
        ]
        Resource = ["*"]
      } if c.scales_nodes],
      [for needed in ["nodes"] : {
        Sid       = "ScaleNodes"
        Effect    = "Allow"
        Action    = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
        Resource  = ["arn:${var.place.partition}:autoscaling:${var.place.region}:${var.place.account}:autoScalingGroup:*"]
        Condition = { StringEquals = { "aws:ResourceTag/k8s.io/cluster-autoscaler/${var.name}" = "owned" } }
      } if c.scales_nodes],
      [for needed in ["nodes"] : {
        Sid      = "SeeNodeGroups"
        Effect   = "Allow"
        Action   = ["eks:DescribeNodegroup"]
        Resource = ["arn:${var.place.partition}:eks:${var.place.region}:${var.place.account}:nodegroup/${var.name}/*"]
      } if c.scales_nodes],
    ])
  }

  # Pods become a role by way of the cluster's agent; EMR Serverless in the account's name; a step on EMR's cluster by way of the
  # cluster's machines, which can do nothing else.
  trust = {
    "pods.eks" = {
      principal = { Service = "pods.eks.amazonaws.com" }
      actions   = ["sts:AssumeRole", "sts:TagSession"]
      condition = {
        StringEquals = { "aws:SourceAccount" = var.place.account }
        ArnEquals = {
          "aws:SourceArn" = "arn:${var.place.partition}:eks:${var.place.region}:${var.place.account}:cluster/${var.name}"
        }
      }
    }
    "emr-serverless" = {
      principal = { Service = "emr-serverless.amazonaws.com" }
      actions   = ["sts:AssumeRole"]
      condition = { StringEquals = { "aws:SourceAccount" = var.place.account } }
    }
    "emr-steps" = {
      principal = { AWS = "arn:${var.place.partition}:iam::${var.place.account}:root" }
      actions   = ["sts:AssumeRole", "sts:TagSession"]
      condition = {
        ArnEquals = {
          "aws:PrincipalArn" = "arn:${var.place.partition}:iam::${var.place.account}:role/${var.name}-emr-machines"
        }
      }
    }
  }
}

resource "aws_iam_role" "component" {
  for_each             = var.components
  name                 = "${var.name}-${each.key}"
  description          = each.value.description
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for service in each.value.services : {
      Effect    = "Allow"
      Principal = local.trust[service].principal
      Action    = local.trust[service].actions
      Condition = local.trust[service].condition
    }]
  })
}

resource "aws_iam_role_policy" "component" {
  for_each = var.components
  name     = "what-it-does"
  role     = aws_iam_role.component[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for statement in local.of_storage[each.key] : statement],
      [for statement in local.of_kafka[each.key] : statement],
      [for statement in local.of_card_key[each.key] : statement],
      [for statement in local.of_the_rest[each.key] : statement],
    )
  })
}

# --- people, by team ---

resource "aws_iam_role" "team" {
  for_each             = var.teams
  name                 = "${var.name}-team-${each.key}"
  description          = "Members of the team ${each.key}: their questions in Athena, what Lake Formation grants them."
  max_session_duration = 28800

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = local.account_root }
      Action    = ["sts:AssumeRole", "sts:SetSourceIdentity"]
      Condition = {
        Bool         = { "aws:MultiFactorAuthPresent" = "true" }
        StringEquals = { "aws:PrincipalTag/paylake-team" = each.key }
      }
    }]
  })
}

resource "aws_iam_role_policy" "team" {
  for_each = var.teams
  name     = "ask-and-act"
  role     = aws_iam_role.team[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid    = "AskAthena"
          Effect = "Allow"
          Action = [
            "athena:BatchGetNamedQuery", "athena:GetNamedQuery", "athena:GetQueryExecution", "athena:GetQueryResults",
            "athena:GetWorkGroup", "athena:ListNamedQueries", "athena:ListQueryExecutions", "athena:StartQueryExecution",
            "athena:StopQueryExecution",
          ]
          Resource = [local.workgroup_arn]
        },
        {
          Sid      = "ReadTheCatalog"
          Effect   = "Allow"
          Action   = ["glue:GetDatabase", "glue:GetPartitions", "glue:GetTable", "glue:GetTables"]
          Resource = local.glue_arns
        },
        {
          Sid      = "AskLakeFormationForTheData"
          Effect   = "Allow"
          Action   = ["lakeformation:GetDataAccess"]
          Resource = ["*"]
        },
        {
          Sid      = "KeepAnswers"
          Effect   = "Allow"
          Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
          Resource = ["${var.bucket_arns["artefacts"]}/athena-results/*"]
        },
        {
          Sid      = "FindTheBucketOfAnswers"
          Effect   = "Allow"
          Action   = ["s3:GetBucketLocation"]
          Resource = [var.bucket_arns["artefacts"]]
        },
        {
          Sid       = "EncryptAnswers"
          Effect    = "Allow"
          Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
          Resource  = [var.key_arns["lake"]]
          Condition = { StringEquals = { "kms:ViaService" = "s3.${var.place.region}.amazonaws.com" } }
        },
      ],
      [for acts in [each.value.acts] : {
        # an act is written once and by nobody changed: the request has to say so itself
        Sid       = "ActOnBreaks"
        Effect    = "Allow"
        Action    = ["s3:PutObject"]
        Resource  = ["${var.bucket_arns["processed"]}/acts/*"]
        Condition = { Null = { "s3:if-none-match" = "false" } }
      } if acts],
    )
  })
}

# --- who keeps the key of the card tokens ---

resource "aws_iam_role" "custodian" {
  name                 = "${var.name}-custodian"
  description          = "Makes the key of the card tokens, and cannot read it."
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = local.account_root }
      Action    = ["sts:AssumeRole", "sts:SetSourceIdentity"]
      Condition = {
        Bool         = { "aws:MultiFactorAuthPresent" = "true" }
        StringEquals = { "aws:PrincipalTag/paylake-team" = "custodian" }
      }
    }]
  })
}

resource "aws_iam_role_policy" "custodian" {
  name = "make-the-card-key"
  role = aws_iam_role.custodian.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "MakeTheCardKey"
        Effect   = "Allow"
        Action   = ["secretsmanager:DescribeSecret", "secretsmanager:PutSecretValue"]
        Resource = [var.card_secret_arn]
      },
      {
        Sid      = "DrawIt"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetRandomPassword"]
        Resource = ["*"]
      },
      {
        Sid       = "EncryptIt"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = [var.key_arns["card"]]
        Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.place.region}.amazonaws.com" } }
      },
    ]
  })
}

# --- continuous integration ---

resource "aws_iam_openid_connect_provider" "ci" {
  count           = var.ci != null && try(var.ci.provider_arn, null) == null ? 1 : 0
  url             = "https://token.actions.githubusercontent.com"
  client_id_list  = ["sts.amazonaws.com"]
  thumbprint_list = ["6938fd4d98bab03faadb97b34396831e3780aea1"]
}

resource "aws_iam_role" "ci" {
  count                = var.ci == null ? 0 : 1
  name                 = "${var.name}-ci"
  description          = "Continuous integration of ${var.ci.repository}: pushes images and job scripts."
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = coalesce(var.ci.provider_arn, one(aws_iam_openid_connect_provider.ci[*].arn)) }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = "repo:${var.ci.repository}:environment:${var.ci.environment}"
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "ci" {
  count = var.ci == null ? 0 : 1
  name  = "release"
  role  = aws_iam_role.ci[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "LogInToTheRegistry"
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = ["*"]
      },
      {
        Sid    = "PushImages"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
          "ecr:DescribeImageScanFindings", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage",
          "ecr:UploadLayerPart",
        ]
        Resource = var.repository_arns
      },
      {
        Sid      = "UploadJobs"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = ["${var.bucket_arns["artefacts"]}/jobs/*"]
      },
      {
        Sid       = "EncryptJobs"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = [var.key_arns["lake"]]
        Condition = { StringEquals = { "kms:ViaService" = "s3.${var.place.region}.amazonaws.com" } }
      },
      {
        Sid      = "FindTheCluster"
        Effect   = "Allow"
        Action   = ["eks:DescribeCluster"]
        Resource = ["arn:${var.place.partition}:eks:${var.place.region}:${var.place.account}:cluster/${var.name}"]
      },
    ]
  })
}
