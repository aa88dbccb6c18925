# Glue says what there is, Athena answers, Lake Formation decides who may read. The job `paylake catalog register` keeps
# tables and views; what is here is what they stand in.

resource "aws_glue_catalog_database" "lake" {
  name         = var.database
  description  = "The lake of ${var.name}: its tables, and the views that the teams read."
  location_uri = "s3://${var.lake_bucket.name}/"
}

resource "aws_glue_data_catalog_encryption_settings" "this" {
  data_catalog_encryption_settings {
    connection_password_encryption {
      return_connection_password_encrypted = true
      aws_kms_key_id                       = var.key_arn
    }

    encryption_at_rest {
      catalog_encryption_mode = "SSE-KMS"
      sse_aws_kms_key_id      = var.key_arn
    }
  }
}

resource "aws_athena_workgroup" "this" {
  name          = var.name
  description   = "What the teams of ${var.name} ask."
  force_destroy = var.force_destroy

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.scan_limit_gib * 1024 * 1024 * 1024

    engine_version {
      selected_engine_version = "Athena engine version 3"
    }

    result_configuration {
      output_location = "s3://${var.results_bucket}/athena-results/"

      encryption_configuration {
        encryption_option = "SSE_KMS"
        kms_key_arn       = var.key_arn
      }
    }
  }
}

resource "aws_athena_named_query" "question" {
  for_each    = var.questions
  name        = each.key
  description = substr("${each.value.team}: ${each.value.asks}", 0, 1024)
  workgroup   = aws_athena_workgroup.this.id
  database    = aws_glue_catalog_database.lake.name
  query       = each.value.sql
}

# --- Lake Formation ---

resource "aws_iam_role" "reader" {
  name        = "${var.name}-lake-formation"
  description = "Lake Formation reads the lake with it for those whom it lets read."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lakeformation.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:SetContext"]
      Condition = { StringEquals = { "aws:SourceAccount" = var.place.account } }
    }]
  })
}

resource "aws_iam_role_policy" "reader" {
  name = "read-the-lake"
  role = aws_iam_role.reader.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ListTheLake"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [var.lake_bucket.arn]
      },
      {
        Sid      = "ReadTheLake"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = [for layer in ["raw", "partial", "final", "restricted"] : "${var.lake_bucket.arn}/${layer}/*"]
      },
      {
        Sid      = "DecryptTheLake"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:DescribeKey"]
        Resource = [var.key_arn]
      },
    ]
  })
}

resource "aws_lakeformation_data_lake_settings" "this" {
  admins = var.admin_arns

  # With defaults, every new table would be open to whoever has IAM permissions on Glue.
  create_database_default_permissions {}
  create_table_default_permissions {}
}

resource "aws_lakeformation_resource" "lake" {
  arn        = var.lake_bucket.arn
  role_arn   = aws_iam_role.reader.arn
  depends_on = [aws_lakeformation_data_lake_settings.this]
}

resource "aws_lakeformation_lf_tag" "sensitivity" {
  key        = "${var.name}-sensitivity"
  values     = var.sensitivities
  depends_on = [aws_lakeformation_data_lake_settings.this]
}

# A table that nobody has tagged yet inherits this: it is closed to all but compliance until the nightly run tags it.
resource "aws_lakeformation_resource_lf_tags" "database" {
  database {
    name = aws_glue_catalog_database.lake.name
  }

  lf_tag {
    key   = aws_lakeformation_lf_tag.sensitivity.key
    value = "restricted"
  }
}

resource "aws_lakeformation_permissions" "team_sees_database" {
  for_each    = var.teams
  principal   = each.value.role_arn
  permissions = ["DESCRIBE"]

  database {
    name = aws_glue_catalog_database.lake.name
  }

  depends_on = [aws_lakeformation_data_lake_settings.this]
}

resource "aws_lakeformation_permissions" "team_reads" {
  for_each    = var.teams
  principal   = each.value.role_arn
  permissions = ["DESCRIBE", "SELECT"]

  lf_tag_policy {
    resource_type = "TABLE"

    expression {
      key    = aws_lakeformation_lf_tag.sensitivity.key
      values = each.value.reads
    }
  }

  depends_on = [aws_lakeformation_data_lake_settings.this]
}

resource "aws_lakeformation_permissions" "keeper" {
  principal   = var.keeper_role_arn
  permissions = ["ALTER", "CREATE_TABLE", "DESCRIBE"]

  database {
    name = aws_glue_catalog_database.lake.name
  }

  depends_on = [aws_lakeformation_data_lake_settings.this]
}

resource "aws_lakeformation_permissions" "keeper_location" {
  principal   = var.keeper_role_arn
  permissions = ["DATA_LOCATION_ACCESS"]

  data_location {
    arn = aws_lakeformation_resource.lake.arn
  }
}

resource "aws_lakeformation_permissions" "tagger" {
  principal   = var.tagger_role_arn
  permissions = ["ASSOCIATE", "DESCRIBE"]

  lf_tag {
    key    = aws_lakeformation_lf_tag.sensitivity.key
    values = var.sensitivities
  }

  depends_on = [aws_lakeformation_data_lake_settings.this]
}
