mock_provider "aws" {}

variables {
  name    = "paylake-test"
  place   = { account = "123456789012", partition = "aws", region = "eu-central-1" }
  key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "has_repositories_whose_tags_never_move" {
  assert {
    condition = toset([for r in aws_ecr_repository.this : r.name]) == toset([
      "paylake-test/streaming", "paylake-test/batch", "paylake-test/cluster-autoscaler",
    ])
    error_message = "There are two images, and the autoscaler's."
  }

  assert {
    condition     = alltrue([for r in aws_ecr_repository.this : r.image_tag_mutability == "IMMUTABLE" && !r.force_delete])
    error_message = "A tag is never moved, and images are not thrown away by accident."
  }

  assert {
    condition     = strcontains(aws_ecr_repository_policy.batch.policy, "emr-serverless.amazonaws.com")
    error_message = "EMR Serverless may pull the batch image."
  }
}
