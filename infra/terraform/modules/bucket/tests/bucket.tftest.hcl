mock_provider "aws" {
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::one", id = "one" }
  }
}

variables {
  bucket  = "one"
  key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "is_private_encrypted_and_versioned" {
  assert {
    condition     = jsondecode(aws_s3_bucket_policy.this.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "The first thing that a bucket says is that it refuses plain HTTP."
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].kms_master_key_id == var.key_arn
    error_message = "Objects are encrypted with the key that was given."
  }

  assert {
    condition     = length(aws_s3_bucket_object_lock_configuration.this) == 0 && !aws_s3_bucket.this.object_lock_enabled
    error_message = "Without an object lock there is none."
  }
}

run "locks_where_it_is_asked_to" {
  variables {
    object_lock = { mode = "COMPLIANCE", days = 400 }
  }

  assert {
    condition     = aws_s3_bucket.this.object_lock_enabled && aws_s3_bucket_object_lock_configuration.this[0].rule[0].default_retention[0].days == 400
    error_message = "A locked bucket is locked from its beginning, for the days that were given."
  }
}

run "expires_by_prefix" {
  variables {
    expire_after_days = { "s3/" = 400 }
  }

  assert {
    condition     = length(aws_s3_bucket_lifecycle_configuration.this.rule) == 2
    error_message = "There is a rule for what was deleted, and one per prefix."
  }
}

run "refuses_to_keep_deleted_objects_for_longer_than_erasure_promises" {
  command = plan

  variables {
    noncurrent_days = 31
  }

  expect_failures = [var.noncurrent_days]
}

run "refuses_an_unknown_lock" {
  command = plan

  variables {
    object_lock = { mode = "SOMETIMES", days = 1 }
  }

  expect_failures = [var.object_lock]
}
