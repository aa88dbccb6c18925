# Who did what, when, from where: written by CloudTrail into a bucket from which nobody deletes.

locals {
  bucket    = "${var.name}-audit-${var.place.account}"
  trail_arn = "arn:${var.place.partition}:cloudtrail:${var.place.region}:${var.place.account}:trail/${var.name}"
}

module "bucket" {
  source        = "../bucket"
  bucket        = local.bucket
  key_arn       = var.key_arn
  log_bucket    = { name = var.log_bucket }
  object_lock   = var.object_lock
  force_destroy = var.force_destroy

  expire_after_days = { "AWSLogs/" = max(400, var.object_lock.days + 1) }

  statements = [
    {
      Sid       = "TrailLooksWhereItWrites"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "s3:GetBucketAcl"
      Resource  = "arn:${var.place.partition}:s3:::${local.bucket}"
      Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
    },
    {
      Sid       = "TrailWrites"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "arn:${var.place.partition}:s3:::${local.bucket}/AWSLogs/${var.place.account}/*"
      Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn, "s3:x-amz-acl" = "bucket-owner-full-control" } }
    },
  ]
}

resource "aws_cloudwatch_log_group" "trail" {
  name              = "/${var.name}/audit/trail"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

resource "aws_iam_role" "trail" {
  name        = "${var.name}-audit-trail"
  description = "CloudTrail writes to CloudWatch with it."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
    }]
  })
}

resource "aws_iam_role_policy" "trail" {
  name = "write-the-trail"
  role = aws_iam_role.trail.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "WriteTheTrail"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["${aws_cloudwatch_log_group.trail.arn}:*"]
    }]
  })
}

# Whoever wants to read log files as they come subscribes here.
resource "aws_sns_topic" "trail" {
  name              = "${var.name}-audit-trail"
  kms_master_key_id = var.topic_key_arn
}

resource "aws_sns_topic_policy" "trail" {
  arn = aws_sns_topic.trail.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TrailTells"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.trail.arn
      Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
    }]
  })
}

resource "aws_cloudtrail" "this" {
  name                          = var.name
  s3_bucket_name                = module.bucket.policy_id
  kms_key_id                    = var.key_arn
  enable_log_file_validation    = true
  include_global_service_events = true
  is_multi_region_trail         = true
  sns_topic_name                = aws_sns_topic.trail.name
  cloud_watch_logs_group_arn    = "${aws_cloudwatch_log_group.trail.arn}:*"
  cloud_watch_logs_role_arn     = aws_iam_role.trail.arn

  depends_on = [aws_sns_topic_policy.trail, aws_iam_role_policy.trail]

  event_selector {
    read_write_type           = "All"
    include_management_events = true

    data_resource {
      type   = "AWS::S3::Object"
      values = [for arn in var.bucket_arns : "${arn}/"]
    }

    data_resource {
      type   = "AWS::DynamoDB::Table"
      values = var.table_arns
    }
  }
}

# Being refused the card key, or any other, is an attack or a fault; either way somebody looks.
resource "aws_cloudwatch_log_metric_filter" "key_refused" {
  name           = "${var.name}-key-refused"
  log_group_name = aws_cloudwatch_log_group.trail.name
  pattern        = "{ ($.eventSource = \"kms.amazonaws.com\" || $.eventSource = \"secretsmanager.amazonaws.com\") && $.errorCode = \"AccessDenied*\" }"

  metric_transformation {
    name          = "KeyAccessDenied"
    namespace     = "paylake/${var.name}"
    value         = "1"
    default_value = "0"
  }
}

resource "aws_cloudwatch_metric_alarm" "key_refused" {
  alarm_name          = "${var.name}-key-access-denied"
  alarm_description   = "Somebody was refused a key or a secret: see who, in the audit trail."
  namespace           = "paylake/${var.name}"
  metric_name         = "KeyAccessDenied"
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alert_topic_arn]
}

resource "aws_guardduty_detector" "this" {
  count  = var.guardduty_enabled ? 1 : 0
  enable = true
}
