# The nightly run: ingest, batch index, aggregate, review queue, quality gate, catalog, publish, maintain. Each step is a job of the repository with
# the flags that it has; what fails is tried again, then told.

locals {
  scripts_uri = "s3://${var.artefacts_bucket.name}/jobs/${var.release}"
  lake        = "s3a://${var.lake_bucket}"
  on_emr      = var.engine == "serverless" ? var.application != null : var.emr_cluster != null

  # {% … %} is what Step Functions works out when it runs.
  the_date = "{% $business_date %}"

  kafka = [
    "--bootstrap-servers", var.bootstrap_servers, "--security-protocol", "SASL_SSL", "--sasl-mechanism", "AWS_MSK_IAM",
  ]

  steps = {
    IngestStatements = {
      role   = "batch"
      script = "batch/ingest_statements.py"
      args   = ["--files", "s3a://${var.raw_bucket}/incoming/statements", "--lake", local.lake]
      hours  = 1
    }
    IngestDimensions = {
      role   = "batch"
      script = "batch/ingest_dimensions.py"
      args   = ["--files", "s3a://${var.raw_bucket}/incoming/dimensions", "--lake", local.lake]
      hours  = 1
    }
    BuildBatchIndex = {
      role   = "batch"
      script = "batch/build_batch_index.py"
      args   = concat(["--business-date", local.the_date, "--lake", local.lake], local.kafka)
      hours  = 2
    }
    BuildFinalAggregate = {
      role   = "batch"
      script = "aggregate/build_final_aggregate.py"
      args   = ["--business-date", local.the_date, "--lake", local.lake]
      hours  = 2
    }
    QueueReviews = {
      role   = "batch"
      script = "batch/queue_reviews.py"
      args   = ["--date", local.the_date, "--lake", local.lake]
      hours  = 1
    }
    PassQualityGate = {
      role   = "quality"
      script = "paylake.py"
      args   = ["quality", "--lake", local.lake, "--out", "/tmp/quality"]
      hours  = 1
    }
    RegisterCatalog = {
      role   = "catalog"
      script = "paylake.py"
      args   = ["catalog", "register", "--lake", local.lake, "--database", var.database, "--region", var.region]
      hours  = 1
    }
    PublishServing = {
      role   = "serving"
      script = "aggregate/publish_serving.py"
      args = concat(
        ["--business-date", local.the_date, "--lake", local.lake, "--dynamodb", var.table_prefix, "--region", var.region],
        flatten([for cache in var.cache[*] : [
          "--redis", "rediss://${cache.user}@${cache.address}:6379/0", "--redis-iam", cache.group,
        ]]),
      )
      hours = 1
    }
    MaintainTables = {
      role   = "batch"
      script = "batch/maintain_tables.py"
      args   = ["--lake", local.lake, "--as-of", local.the_date]
      hours  = 3
    }
  }

  # Delta lies in EMR's image and is not on its class path. Its Python module lies in the first of the two.
  delta = [for jar in ["delta-spark", "delta-storage"] : "local:///usr/share/aws/delta/lib/${jar}.jar"]
  spark = join(" ", [
    "--jars ${join(",", local.delta)}", "--py-files ${local.delta[0]}",
    "--conf spark.driver.memory=8g", "--conf spark.executor.memory=8g", "--conf spark.executor.cores=4",
  ])

  # A cluster has no image: what `paylake deploy package` packed comes along.
  packed = concat(
    [
      "spark-submit", "--deploy-mode", "cluster",
      "--jars", join(",", concat(local.delta, [for jar in var.jars : "${local.scripts_uri}/jars/${jar}"])),
      "--py-files", local.delta[0],
    ],
    flatten([for setting, value in {
      "spark.archives"                         = "${local.scripts_uri}/environment-arm64.tar.gz#environment"
      "spark.yarn.appMasterEnv.PYSPARK_PYTHON" = "./environment/bin/python"
      "spark.executorEnv.PYSPARK_PYTHON"       = "./environment/bin/python"
    } : ["--conf", "${setting}=${value}"]]),
  )

  on_serverless = {
    for name, step in local.steps : name => {
      Resource = "arn:${var.place.partition}:states:::emr-serverless:startJobRun.sync"
      Arguments = {
        ApplicationId           = try(var.application.id, "")
        ExecutionRoleArn        = var.role_arns[step.role]
        Name                    = name
        ExecutionTimeoutMinutes = step.hours * 60
        JobDriver = {
          SparkSubmit = {
            EntryPoint            = "${local.scripts_uri}/${step.script}"
            EntryPointArguments   = step.args
            SparkSubmitParameters = local.spark
          }
        }
        ConfigurationOverrides = {
          MonitoringConfiguration = {
            S3MonitoringConfiguration = {
              LogUri           = "s3://${var.log_bucket}/jobs/"
              EncryptionKeyArn = var.log_key_arn
            }
            CloudWatchLoggingConfiguration = {
              Enabled             = true
              LogGroupName        = var.job_log_group
              LogStreamNamePrefix = name
              EncryptionKeyArn    = var.log_key_arn
            }
          }
        }
      }
    }
  }

  on_cluster = {
    for name, step in local.steps : name => {
      Resource = "arn:${var.place.partition}:states:::elasticmapreduce:addStep.sync"
      Arguments = {
        ClusterId        = try(var.emr_cluster.id, "")
        ExecutionRoleArn = var.role_arns[step.role]
        Step = {
          Name            = name
          ActionOnFailure = "CONTINUE"
          HadoopJarStep = {
            Jar  = "command-runner.jar"
            Args = concat(local.packed, ["${local.scripts_uri}/${step.script}"], step.args)
          }
        }
      }
    }
  }

  # Refused requests and lost machines pass; a job that fails twice fails for a reason.
  retry = [
    {
      ErrorEquals     = ["States.TaskFailed"]
      IntervalSeconds = 60
      MaxAttempts     = 1
      BackoffRate     = 2
    },
    {
      ErrorEquals     = ["EMRServerless.ThrottlingException", "States.Timeout", "ElasticMapReduce.ThrottlingException"]
      IntervalSeconds = 30
      MaxAttempts     = 3
      BackoffRate     = 2
      JitterStrategy  = "FULL"
    },
  ]
  catch = [{ ErrorEquals = ["States.ALL"], Next = "TellOfFailure", Output = "{% $states.errorOutput %}" }]

  tasks = {
    for name, step in local.steps : name => merge(
      var.engine == "serverless" ? local.on_serverless[name] : null,
      var.engine == "cluster" ? local.on_cluster[name] : null,
      {
        Type           = "Task"
        TimeoutSeconds = (step.hours * 60 + 15) * 60
        Output         = "{% $states.input %}"
        Retry          = local.retry
      },
    )
  }

  tell = {
    for why in ["failure", "no queue"] : why => {
      Type     = "Task"
      Resource = "arn:${var.place.partition}:states:::sns:publish"
      Retry    = [{ ErrorEquals = ["States.ALL"], IntervalSeconds = 5, MaxAttempts = 3, BackoffRate = 2 }]
    }
  }

  nightly = {
    Comment       = "Close a business date: ingest, recompute, merge and prove, check, register, publish, maintain"
    QueryLanguage = "JSONata"
    StartAt       = "WhichDate"
    States = {
      # A run started by hand says which date; the schedule's run closes the day before it.
      WhichDate = {
        Type = "Pass"
        Assign = {
          business_date = "{% $exists($states.input.business_date) ? $states.input.business_date : $fromMillis($toMillis($states.input.scheduled) - 86400000, '[Y0001]-[M01]-[D01]') %}"
        }
        Next = "Ingest"
      }
      Ingest = {
        Type   = "Parallel"
        Output = "{% $states.input %}"
        Branches = [
          for name in ["IngestStatements", "IngestDimensions"] : {
            StartAt = name
            States  = { (name) = merge(local.tasks[name], { End = true }) }
          }
        ]
        Catch = local.catch
        Next  = "BuildBatchIndex"
      }
      BuildBatchIndex     = merge(local.tasks["BuildBatchIndex"], { Catch = local.catch, Next = "BuildFinalAggregate" })
      BuildFinalAggregate = merge(local.tasks["BuildFinalAggregate"], { Catch = local.catch, Next = "QueueReviews" })
      # The books do not wait for the queue of reviews, which needs payments that were scored.
      QueueReviews = merge(local.tasks["QueueReviews"], {
        Catch = [{ ErrorEquals = ["States.ALL"], Next = "TellOfNoQueue", Output = "{% $states.errorOutput %}" }]
        Next  = "PassQualityGate"
      })
      TellOfNoQueue = merge(local.tell["no queue"], {
        Arguments = {
          TopicArn = var.alert_topic_arn
          Subject  = "${var.name}: no queue of reviews"
          Message  = "{% 'Payments that arrived on ' & $business_date & ' are not queued for review: ' & $string($states.input.Error) & '. The night goes on; the log of the step QueueReviews says why.' %}"
        }
        Catch = local.catch
        Next  = "PassQualityGate"
      })
      PassQualityGate = merge(local.tasks["PassQualityGate"], { Catch = local.catch, Next = "RegisterCatalog" })
      RegisterCatalog = merge(local.tasks["RegisterCatalog"], { Catch = local.catch, Next = "TagTables" })
      TagTables = {
        Type = "Map"
        Items = [for tagged in values(var.tagged) : {
          sensitivity = tagged.sensitivity
          resource = merge(
            length(tagged.columns) == 0 ? { Table = { DatabaseName = var.database, Name = tagged.table } } : null,
            length(tagged.columns) == 0 ? null : {
              TableWithColumns = { DatabaseName = var.database, Name = tagged.table, ColumnNames = tagged.columns }
            },
          )
        }]
        MaxConcurrency = 5
        Output         = "{% $states.input %}"
        ItemProcessor = {
          ProcessorConfig = { Mode = "INLINE" }
          StartAt         = "TagTable"
          States = {
            TagTable = {
              Type     = "Task"
              Resource = "arn:${var.place.partition}:states:::aws-sdk:lakeformation:addLFTagsToResource"
              Arguments = {
                Resource = "{% $states.input.resource %}"
                LfTags   = [{ TagKey = var.sensitivity_tag, TagValues = ["{% $states.input.sensitivity %}"] }]
              }
              Retry = [{
                ErrorEquals     = ["LakeFormation.ConcurrentModificationException", "States.TaskFailed"]
                IntervalSeconds = 2
                MaxAttempts     = 5
                BackoffRate     = 2
                JitterStrategy  = "FULL"
              }]
              End = true
            }
          }
        }
        Catch = local.catch
        Next  = "PublishServing"
      }
      PublishServing = merge(local.tasks["PublishServing"], { Catch = local.catch, Next = "MaintainTables" })
      MaintainTables = merge(local.tasks["MaintainTables"], { Catch = local.catch, Next = "Done" })
      Done           = { Type = "Succeed" }
      TellOfFailure = merge(local.tell["failure"], {
        Arguments = {
          TopicArn = var.alert_topic_arn
          Subject  = "${var.name}: the nightly run failed"
          Message  = "{% 'Business date ' & $business_date & ': ' & $string($states.input.Error) & '. See execution ' & $states.context.Execution.Name & ', and infra/runbooks/NightlyLate.md.' %}"
        }
        Next = "Failed"
      })
      Failed = { Type = "Fail", Error = "NightlyFailed", Cause = "A step failed; the log of the run says which." }
    }
  }

  # Reports 1 where no run that began today is done by the deadline, else 0; an alarm looks at it.
  deadline = {
    Comment       = "Has today's nightly run ended well by its deadline?"
    QueryLanguage = "JSONata"
    StartAt       = "LatestSuccess"
    States = {
      LatestSuccess = {
        Type     = "Task"
        Resource = "arn:${var.place.partition}:states:::aws-sdk:sfn:listExecutions"
        Arguments = {
          StateMachineArn = aws_sfn_state_machine.nightly.arn
          StatusFilter    = "SUCCEEDED"
          MaxResults      = 1
        }
        Assign = {
          late = "{% $count($states.result.Executions) = 0 or $toMillis($states.result.Executions[0].StartDate) < $toMillis($states.input.scheduled) - 43200000 ? 1 : 0 %}"
        }
        Retry = [{ ErrorEquals = ["States.ALL"], IntervalSeconds = 10, MaxAttempts = 3, BackoffRate = 2 }]
        Next  = "Report"
      }
      Report = {
        Type     = "Task"
        Resource = "arn:${var.place.partition}:states:::aws-sdk:cloudwatch:putMetricData"
        Arguments = {
          Namespace  = "paylake/${var.name}"
          MetricData = [{ MetricName = "NightlyLate", Value = "{% $late %}", Unit = "Count" }]
        }
        Retry = [{ ErrorEquals = ["States.ALL"], IntervalSeconds = 10, MaxAttempts = 3, BackoffRate = 2 }]
        End   = true
      }
    }
  }

  # Started by hand, or by infra/stack.sh after a spin-up: MSK makes no topic by itself.
  topics = {
    Comment       = "Create the topics that the contracts name; those that exist stay as they are"
    QueryLanguage = "JSONata"
    StartAt       = "CreateTopics"
    States = {
      CreateTopics = {
        Type     = "Task"
        Resource = "arn:${var.place.partition}:states:::emr-serverless:startJobRun.sync"
        Arguments = {
          ApplicationId           = try(var.application.id, "")
          ExecutionRoleArn        = var.role_arns["topics"]
          Name                    = "CreateTopics"
          ExecutionTimeoutMinutes = 15
          JobDriver = {
            SparkSubmit = {
              EntryPoint            = "${local.scripts_uri}/create_topics.py"
              EntryPointArguments   = local.kafka
              SparkSubmitParameters = "--conf spark.executor.instances=1"
            }
          }
          ConfigurationOverrides = local.on_serverless["BuildBatchIndex"].Arguments.ConfigurationOverrides
        }
        Retry = local.retry
        End   = true
      }
    }
  }
}

resource "aws_s3_object" "script" {
  for_each               = var.scripts
  bucket                 = var.artefacts_bucket.name
  key                    = "jobs/${var.release}/${each.key}"
  source                 = each.value
  source_hash            = filemd5(each.value)
  server_side_encryption = "aws:kms"
  kms_key_id             = var.lake_key_arn
}

resource "aws_cloudwatch_log_group" "runs" {
  name              = "/aws/vendedlogs/states/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_key_arn
}

# --- what the runs may do ---

locals {
  glue = "arn:${var.place.partition}:glue:${var.place.region}:${var.place.account}"
}

resource "aws_iam_role" "run" {
  name        = "${var.name}-nightly"
  description = "The nightly run and its deadline: starts jobs, tags tables, tells of failures."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "states.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.place.account } }
    }]
  })
}

resource "aws_iam_role_policy" "run" {
  name = "run-the-night"
  role = aws_iam_role.run.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for application in [var.application] : {
        Sid      = "RunJobs"
        Effect   = "Allow"
        Action   = ["emr-serverless:StartJobRun"]
        Resource = [application.arn]
      } if application != null],
      [for application in [var.application] : {
        Sid      = "FollowJobs"
        Effect   = "Allow"
        Action   = ["emr-serverless:CancelJobRun", "emr-serverless:GetJobRun"]
        Resource = ["${application.arn}/jobruns/*"]
      } if application != null],
      [for cluster in [var.emr_cluster] : {
        Sid      = "RunSteps"
        Effect   = "Allow"
        Action   = ["elasticmapreduce:AddJobFlowSteps", "elasticmapreduce:CancelSteps", "elasticmapreduce:DescribeStep"]
        Resource = [cluster.arn]
      } if cluster != null],
      [
        {
          Sid       = "PassJobsTheirRoles"
          Effect    = "Allow"
          Action    = ["iam:PassRole"]
          Resource  = [for component in ["batch", "quality", "catalog", "serving", "topics"] : var.role_arns[component]]
          Condition = { StringEquals = { "iam:PassedToService" = "emr-serverless.amazonaws.com" } }
        },
        {
          Sid    = "HearOfEnds"
          Effect = "Allow"
          Action = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]
          Resource = [for rule in ["StepFunctionsGetEventsForEMRServerlessJobRule", "StepFunctionsGetEventForEMRAddJobFlowStepsRule"] :
            "arn:${var.place.partition}:events:${var.place.region}:${var.place.account}:rule/${rule}"
          ]
        },
        {
          Sid      = "TagTables"
          Effect   = "Allow"
          Action   = ["lakeformation:AddLFTagsToResource", "lakeformation:GetDataAccess"]
          Resource = ["*"]
        },
        {
          Sid    = "ReadTheCatalog"
          Effect = "Allow"
          Action = ["glue:GetDatabase", "glue:GetTable"]
          Resource = [
            "${local.glue}:catalog", "${local.glue}:database/${var.database}", "${local.glue}:table/${var.database}/*",
          ]
        },
        {
          Sid       = "ReportLateness"
          Effect    = "Allow"
          Action    = ["cloudwatch:PutMetricData"]
          Resource  = ["*"]
          Condition = { StringEquals = { "cloudwatch:namespace" = "paylake/${var.name}" } }
        },
        {
          Sid      = "TellOfFailures"
          Effect   = "Allow"
          Action   = ["sns:Publish"]
          Resource = [var.alert_topic_arn]
        },
        {
          Sid      = "UseTheKeyOfAlerts"
          Effect   = "Allow"
          Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
          Resource = [var.alert_key_arn]
        },
        {
          # AWS takes no narrower resource for these
          Sid    = "KeepItsOwnLog"
          Effect = "Allow"
          Action = [
            "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
            "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
            "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments",
          ]
          Resource = ["*"]
        },
      ],
    )
  })
}

# --- the state machines ---

resource "aws_sfn_state_machine" "nightly" {
  name       = "${var.name}-nightly"
  role_arn   = aws_iam_role.run.arn
  definition = jsonencode(local.nightly)
  depends_on = [aws_iam_role_policy.run]

  logging_configuration {
    level                  = "ALL"
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.runs.arn}:*"
  }

  tracing_configuration {
    enabled = true
  }

  lifecycle {
    precondition {
      condition     = local.on_emr || !var.enabled
      error_message = "The schedule is on, but there is no EMR to run on: enable what var.engine names, or rest the schedule."
    }
  }
}

resource "aws_sfn_state_machine" "deadline" {
  name       = "${var.name}-deadline"
  role_arn   = aws_iam_role.run.arn
  definition = jsonencode(local.deadline)
  depends_on = [aws_iam_role_policy.run]

  logging_configuration {
    level                  = "ERROR"
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.runs.arn}:*"
  }

  tracing_configuration {
    enabled = true
  }
}

resource "aws_sfn_state_machine" "topics" {
  name       = "${var.name}-topics"
  role_arn   = aws_iam_role.run.arn
  definition = jsonencode(local.topics)
  depends_on = [aws_iam_role_policy.run]

  logging_configuration {
    level                  = "ALL"
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.runs.arn}:*"
  }

  tracing_configuration {
    enabled = true
  }
}

# --- when they run ---

resource "aws_sqs_queue" "missed" {
  name                      = "${var.name}-missed-starts"
  kms_master_key_id         = var.alert_key_arn
  message_retention_seconds = 1209600
}

resource "aws_iam_role" "scheduler" {
  name        = "${var.name}-scheduler"
  description = "EventBridge Scheduler starts the nightly run and its deadline with it."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.place.account } }
    }]
  })
}

resource "aws_iam_role_policy" "scheduler" {
  name = "start-the-night"
  role = aws_iam_role.scheduler.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Start"
        Effect   = "Allow"
        Action   = ["states:StartExecution"]
        Resource = [aws_sfn_state_machine.nightly.arn, aws_sfn_state_machine.deadline.arn]
      },
      {
        Sid      = "KeepWhatCouldNotStart"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = [aws_sqs_queue.missed.arn]
      },
      {
        Sid      = "UseTheKeyOfAlerts"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = [var.alert_key_arn]
      },
    ]
  })
}

resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

resource "aws_scheduler_schedule" "this" {
  for_each = {
    nightly  = { when = var.starts, machine = aws_sfn_state_machine.nightly.arn }
    deadline = { when = var.deadline, machine = aws_sfn_state_machine.deadline.arn }
  }
  name                         = each.key
  group_name                   = aws_scheduler_schedule_group.this.name
  description                  = "Starts ${each.key} of ${var.name}"
  state                        = var.enabled ? "ENABLED" : "DISABLED"
  schedule_expression          = each.value.when
  schedule_expression_timezone = var.timezone
  kms_key_arn                  = var.alert_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = each.value.machine
    role_arn = aws_iam_role.scheduler.arn
    input    = "{\"scheduled\": \"<aws.scheduler.scheduled-time>\"}"

    retry_policy {
      maximum_retry_attempts       = 10
      maximum_event_age_in_seconds = 3600
    }

    dead_letter_config {
      arn = aws_sqs_queue.missed.arn
    }
  }
}
