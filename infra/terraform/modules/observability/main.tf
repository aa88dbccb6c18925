# Where logs go, what is watched, who is told. Two topics: one wakes somebody, the other waits for the morning.

locals {
  metrics = "paylake/${var.name}"

  log_groups = {
    jobs      = "Nightly jobs on EMR"
    streaming = "Pods: streaming drivers, executors, the API"
    kafka     = "Kafka brokers"
  }

  topics = { page = var.page_emails, ticket = var.ticket_emails }

  # null, where the stack does not have what would be watched
  when = { for what, name in var.watch : what => contains(["queries", "application", "tables"], what) ? null : name }

  kafka = {
    kafka-no-controller = {
      says       = "Kafka has not exactly one controller: no topic or leader can change."
      metric     = "ActiveControllerCount", statistic = "Average", per = ["Cluster Name"]
      comparison = "LessThanThreshold", threshold = 0.3, periods = 3, topic = "page", missing = "breaching"
    }
    kafka-offline-partitions = {
      says       = "Partitions have no leader: records of these cannot be read or written."
      metric     = "OfflinePartitionsCount", statistic = "Maximum", per = ["Cluster Name"]
      comparison = "GreaterThanThreshold", threshold = 0, periods = 2, topic = "page", missing = "breaching"
    }
    kafka-under-replicated = {
      says       = "Partitions have fewer copies than they should: one more failure may lose records."
      metric     = "UnderReplicatedPartitions", statistic = "Maximum", per = ["Cluster Name"]
      comparison = "GreaterThanThreshold", threshold = 0, periods = 15, topic = "ticket", missing = "missing"
    }
    kafka-disk = {
      says       = "A broker's disk is more than 80 percent full, and autoscaling has not helped."
      metric     = "KafkaDataLogsDiskUsed", statistic = "Maximum", per = ["Cluster Name"]
      comparison = "GreaterThanThreshold", threshold = 80, periods = 5, topic = "page", missing = "missing"
    }
  }

  of_kafka = {
    for name, alarm in local.kafka : name => merge(alarm, {
      namespace = "AWS/Kafka", dimensions = { "Cluster Name" = local.when.stream_cluster }, period = 60
    }) if local.when.stream_cluster != null
  }

  # The agent on Kubernetes reads the drivers' own metrics and brings them here; Kafka's own lag metrics know nothing of
  # Spark, which commits no offsets there.
  of_streams = merge(concat([{}], [for query in var.watch.queries : {
    "${query}-silent" = {
      says       = "The query ${query} has finished no batch for ${var.silent_seconds} seconds, or says nothing at all."
      namespace  = local.metrics, metric = "paylake_stream_seconds_since_last_batch", statistic = "Maximum"
      dimensions = { query = query }, period = 60, periods = 3
      comparison = "GreaterThanThreshold", threshold = var.silent_seconds, topic = "page", missing = "breaching"
    }
    "${query}-behind" = {
      says       = "The query ${query} is more than ${var.lag_limit} records behind Kafka."
      namespace  = local.metrics, metric = "paylake_kafka_lag_offsets", statistic = "Maximum"
      dimensions = { query = query }, period = 60, periods = 10
      comparison = "GreaterThanThreshold", threshold = var.lag_limit, topic = "page", missing = "missing"
    }
  } if local.when.eks_cluster != null])...)

  of_money = {
    money-not-conserved = {
      says       = "Totals do not close: what came in is not what was matched, broken, pending or rejected."
      namespace  = local.metrics, metric = "paylake_recon_control_difference_minor_units", statistic = "Maximum"
      dimensions = {}, period = 300, periods = 1
      comparison = "GreaterThanThreshold", threshold = 0, topic = "page", missing = "notBreaching"
    }
    fraud-score-spike = {
      says       = "Many more payments score as fraud than do at other times: an attack, or a broken model."
      namespace  = local.metrics, metric = "paylake_fraud_flagged_ratio", statistic = "Average"
      dimensions = {}, period = 300, periods = 3
      comparison = "GreaterThanThreshold", threshold = 0.05, topic = "page", missing = "notBreaching"
    }
    quarantine-spike = {
      says       = "More than one record in a hundred is rejected: a source has changed what it sends."
      namespace  = local.metrics, metric = "paylake_quarantined_ratio", statistic = "Average"
      dimensions = {}, period = 300, periods = 3
      comparison = "GreaterThanThreshold", threshold = 0.01, topic = "ticket", missing = "notBreaching"
    }
  }

  of_the_night = {
    nightly-late = {
      says       = "No nightly run has ended well by its deadline: yesterday is not closed."
      namespace  = local.metrics, metric = "NightlyLate", statistic = "Maximum"
      dimensions = {}, period = 300, periods = 1
      comparison = "GreaterThanThreshold", threshold = 0, topic = "page", missing = "notBreaching"
    }
    nightly-failed = {
      says       = "The nightly run failed or was stopped; its log says at which step."
      namespace  = "AWS/States", metric = "ExecutionsFailed", statistic = "Sum"
      dimensions = { StateMachineArn = local.when.nightly }, period = 300, periods = 1
      comparison = "GreaterThanThreshold", threshold = 0, topic = "page", missing = "notBreaching"
    }
    nightly-not-started = {
      says       = "The nightly run could not be started: its start lies in the queue of missed starts."
      namespace  = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", statistic = "Maximum"
      dimensions = { QueueName = local.when.missed_queue }, period = 300, periods = 1
      comparison = "GreaterThanThreshold", threshold = 0, topic = "page", missing = "notBreaching"
    }
  }

  of_serving = merge(
    {
      for table in var.watch.tables : "${trimprefix(table, "${var.name}-")}-throttled" => {
        says       = "DynamoDB refuses to write ${table}: what reads it shows old figures."
        namespace  = "AWS/DynamoDB", metric = "WriteThrottleEvents", statistic = "Sum"
        dimensions = { TableName = table }, period = 300, periods = 3
        comparison = "GreaterThanThreshold", threshold = 0, topic = "ticket", missing = "notBreaching"
      }
    },
    { for name, alarm in {
      cache-evicts = {
        says      = "Redis throws away what it has no room for: features are missing."
        namespace = "AWS/ElastiCache", metric = "Evictions", statistic = "Sum"
        threshold = 0
      }
      cache-busy = {
        says      = "Redis' one thread is nearly always busy."
        namespace = "AWS/ElastiCache", metric = "EngineCPUUtilization", statistic = "Average"
        threshold = 80
      }
      } : name => merge(alarm, {
        dimensions = { ReplicationGroupId = local.when.cache_id }, period = 300, periods = 3
        comparison = "GreaterThanThreshold", topic = "ticket", missing = "notBreaching"
    }) if local.when.cache_id != null },
  )

  alarms = merge(local.of_kafka, local.of_streams, local.of_money, local.of_the_night, local.of_serving)
  paging = sort([for name, alarm in local.alarms : name if alarm.topic == "page"])
}

resource "aws_cloudwatch_log_group" "this" {
  for_each          = local.log_groups
  name              = "/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_key_arn
}

resource "aws_sns_topic" "this" {
  for_each          = local.topics
  name              = "${var.name}-${each.key}"
  kms_master_key_id = var.alert_key_arn
}

resource "aws_sns_topic_policy" "this" {
  for_each = local.topics
  arn      = aws_sns_topic.this[each.key].arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AlarmsAndEventsOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = ["cloudwatch.amazonaws.com", "events.amazonaws.com"] }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.this[each.key].arn
      Condition = { StringEquals = { "aws:SourceAccount" = var.place.account } }
      }, {
      Sid       = "RolesOfThisAccount"
      Effect    = "Allow"
      Principal = { AWS = "arn:${var.place.partition}:iam::${var.place.account}:root" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.this[each.key].arn
    }]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each  = merge([for topic, addresses in local.topics : { for a in addresses : "${topic} ${a}" => { topic = topic, address = a } }]...)
  topic_arn = aws_sns_topic.this[each.value.topic].arn
  protocol  = "email"
  endpoint  = each.value.address
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.says
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  statistic           = each.value.statistic
  dimensions          = each.value.dimensions
  period              = each.value.period
  evaluation_periods  = each.value.periods
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing
  # what pages goes through the composite alarm, once for all that breaks together
  alarm_actions = each.value.topic == "ticket" ? [aws_sns_topic.this["ticket"].arn] : []
  ok_actions    = each.value.topic == "ticket" ? [aws_sns_topic.this["ticket"].arn] : []
}

resource "aws_cloudwatch_composite_alarm" "page" {
  alarm_name        = "${var.name}-page"
  alarm_description = "At least one thing is broken that somebody has to see now: its own alarm says what."
  alarm_rule        = join(" OR ", [for name in local.paging : "ALARM(\"${aws_cloudwatch_metric_alarm.this[name].alarm_name}\")"])
  alarm_actions     = [aws_sns_topic.this["page"].arn]
  ok_actions        = [aws_sns_topic.this["page"].arn]
}

# A nightly job that fails on EMR Serverless is told of, whoever started it.
resource "aws_cloudwatch_event_rule" "job_failed" {
  count       = var.watch.application == null ? 0 : 1
  name        = "${var.name}-job-failed"
  description = "A job on EMR Serverless failed or was cancelled"

  event_pattern = jsonencode({
    source        = ["aws.emr-serverless"]
    "detail-type" = ["EMR Serverless Job Run State Change"]
    detail        = { state = ["FAILED", "CANCELLED"], applicationId = [var.watch.application.id] }
  })
}

resource "aws_cloudwatch_event_target" "job_failed" {
  count = var.watch.application == null ? 0 : 1
  rule  = aws_cloudwatch_event_rule.job_failed[0].name
  arn   = aws_sns_topic.this["ticket"].arn
}

# --- dashboards ---

locals {
  graphs = {
    operations = [
      { title = "Records per second", metrics = [[local.metrics, "paylake_records_per_second"]], stat = "Average" },
      { title = "Records behind Kafka", metrics = [for q in var.watch.queries : [local.metrics, "paylake_kafka_lag_offsets", "query", q]], stat = "Maximum" },
      { title = "Seconds from arrival to decision, 99th percentile", metrics = [for q in var.watch.queries : [local.metrics, "paylake_decision_latency_seconds", "query", q, "quantile", "0.99"]], stat = "Maximum" },
      { title = "Seconds since the last batch", metrics = [for q in var.watch.queries : [local.metrics, "paylake_stream_seconds_since_last_batch", "query", q]], stat = "Maximum" },
      { title = "Share of rejected records", metrics = [[local.metrics, "paylake_quarantined_ratio"]], stat = "Average" },
      { title = "Broker disks, percent", metrics = [["AWS/Kafka", "KafkaDataLogsDiskUsed", "Cluster Name", coalesce(local.when.stream_cluster, var.name)]], stat = "Maximum" },
    ]
    business = [
      { title = "Nightly run, minutes", metrics = [["AWS/States", "ExecutionTime", "StateMachineArn", local.when.nightly]], stat = "Maximum" },
      { title = "Nightly runs: well, failed", metrics = [["AWS/States", "ExecutionsSucceeded", "StateMachineArn", local.when.nightly], ["AWS/States", "ExecutionsFailed", "StateMachineArn", local.when.nightly]], stat = "Sum" },
      { title = "Breaks by kind", metrics = [[local.metrics, "paylake_recon_breaks"]], stat = "Maximum" },
      { title = "Control difference, minor units", metrics = [[local.metrics, "paylake_recon_control_difference_minor_units"]], stat = "Maximum" },
      { title = "Share of payments flagged as fraud", metrics = [[local.metrics, "paylake_fraud_flagged_ratio"]], stat = "Average" },
      { title = "Refused writes of DynamoDB", metrics = [for table in var.watch.tables : ["AWS/DynamoDB", "WriteThrottleEvents", "TableName", table]], stat = "Sum" },
    ]
  }
}

resource "aws_cloudwatch_dashboard" "this" {
  for_each       = local.graphs
  dashboard_name = "${var.name}-${each.key}"

  dashboard_body = jsonencode({
    widgets = [
      for index, graph in each.value : {
        type   = "metric"
        x      = index % 2 * 12
        y      = floor(index / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = graph.title
          metrics = graph.metrics
          stat    = graph.stat
          period  = 60
          region  = var.place.region
          view    = "timeSeries"
        }
      }
    ]
  })
}
