mock_provider "aws" {
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:one" }
  }
}

variables {
  name               = "paylake-test"
  place              = { account = "123456789012", partition = "aws", region = "eu-central-1" }
  log_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  alert_key_arn      = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_retention_days = 90

  watch = {
    stream_cluster = "paylake-test"
    eks_cluster    = "paylake-test"
    application    = { id = "00f1" }
    cache_id       = null
    tables         = ["totals"]
    missed_queue   = "missed"
    nightly        = "arn:aws:states:eu-central-1:123456789012:stateMachine:nightly"
    queries        = ["reconcile_ledgers"]
  }
}

run "watches_what_there_is" {
  assert {
    condition     = contains(output.alarm_names, "paylake-test-reconcile_ledgers-silent") && contains(output.alarm_names, "paylake-test-nightly-late")
    error_message = "Streams and the night are watched."
  }

  assert {
    condition     = !contains(output.alarm_names, "paylake-test-cache-busy")
    error_message = "What is not there is not watched."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["reconcile_ledgers-silent"].treat_missing_data == "breaching"
    error_message = "A stream that says nothing is down."
  }
}

run "is_quiet_while_the_stack_rests" {
  variables {
    watch = {
      stream_cluster = null
      eks_cluster    = null
      application    = null
      cache_id       = null
      tables         = ["totals"]
      missed_queue   = "missed"
      nightly        = "arn:aws:states:eu-central-1:123456789012:stateMachine:nightly"
      queries        = []
    }
  }

  assert {
    condition     = length([for name in output.alarm_names : name if strcontains(name, "kafka") || strcontains(name, "silent")]) == 0
    error_message = "What rests wakes nobody."
  }
}

run "tells_those_who_want_to_be_told" {
  variables {
    page_emails = ["one@example.com", "two@example.com"]
  }

  assert {
    condition     = length(aws_sns_topic_subscription.email) == 2
    error_message = "Each address is subscribed."
  }
}
