# Two images of ours, streaming (Kubernetes) and batch (EMR), and a copy of the one that adds nodes: Kubernetes' registry cannot be
# reached from the nodes. A tag is never moved, so what runs is what was tested.

locals {
  repositories = toset(["streaming", "batch", "cluster-autoscaler"])
}

resource "aws_ecr_repository" "this" {
  for_each             = local.repositories
  name                 = "${var.name}/${each.key}"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_delete

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = var.key_arn
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each   = aws_ecr_repository.this
  repository = each.value.name

  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "Layers that no tag names any more"
        selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 7 }
        action       = { type = "expire" }
      },
      {
        rulePriority = 2
        description  = "All but the latest"
        selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = var.images }
        action       = { type = "expire" }
      },
    ]
  })
}

# EMR Serverless pulls a custom image in its own name.
resource "aws_ecr_repository_policy" "batch" {
  repository = aws_ecr_repository.this["batch"].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "EmrServerlessPulls"
      Effect    = "Allow"
      Principal = { Service = "emr-serverless.amazonaws.com" }
      Action    = ["ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer"]
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.place.account }
        ArnLike = {
          "aws:SourceArn" = "arn:${var.place.partition}:emr-serverless:${var.place.region}:${var.place.account}:/applications/*"
        }
      }
    }]
  })
}
