variable "name" {
  description = "Name of the stack, such as paylake-dev: the beginning of every name in it."
  type        = string
}

variable "place" {
  description = "Where the stack stands: account, partition and region."
  type        = object({ account = string, partition = string, region = string })
}

variable "release" {
  description = "Release whose job scripts run: part of their address, so that a run never mixes two."
  type        = string

  validation {
    condition     = can(regex("^[\\w.-]+$", var.release))
    error_message = "A release is made of letters, digits, dots, dashes and _."
  }
}

variable "scripts" {
  description = "Name of each script in the bucket -> the file that is uploaded."
  type        = map(string)
}

variable "jars" {
  description = "Jars beside the scripts that an EMR cluster lacks, by name."
  type        = list(string)
}

variable "artefacts_bucket" {
  description = "Bucket of the releases."
  type        = object({ name = string })
}

variable "lake_bucket" {
  description = "Bucket of the lake."
  type        = string
}

variable "raw_bucket" {
  description = "Bucket of what banks, processors and others deliver."
  type        = string
}

variable "log_bucket" {
  description = "Bucket of the jobs' logs."
  type        = string
}

variable "lake_key_arn" {
  description = "Key of the lake and of the releases."
  type        = string
}

variable "log_key_arn" {
  description = "Key of the logs."
  type        = string
}

variable "alert_key_arn" {
  description = "Key of topics, dead letters and of what passes through the run."
  type        = string
}

variable "job_log_group" {
  description = "CloudWatch log group of the jobs."
  type        = string
}

variable "log_retention_days" {
  description = "Days that the run's own log is kept."
  type        = number
}

variable "engine" {
  description = "Where the nightly jobs run: serverless or cluster."
  type        = string

  validation {
    condition     = contains(["serverless", "cluster"], var.engine)
    error_message = "The nightly jobs run on serverless or on cluster."
  }
}

variable "application" {
  description = "EMR Serverless application, as id and arn; null without it."
  type        = object({ id = string, arn = string })
}

variable "emr_cluster" {
  description = "EMR cluster, as id and arn; null without it."
  type        = object({ id = string, arn = string })
}

variable "role_arns" {
  description = "Roles of the steps: batch, quality, catalog, serving, topics."
  type        = map(string)
}

variable "bootstrap_servers" {
  description = "Kafka's brokers for IAM clients."
  type        = string
}

variable "database" {
  description = "Glue's database of the lake."
  type        = string
}

variable "sensitivity_tag" {
  description = "Tag of Lake Formation that decides who reads a table."
  type        = string
}

variable "tagged" {
  description = "What is tagged once it is registered: a table or view, or some columns of it, and its sensitivity."
  type        = map(object({ table = string, columns = list(string), sensitivity = string }))
}

variable "table_prefix" {
  description = "How the names of the DynamoDB tables begin that the night publishes to."
  type        = string
}

variable "cache" {
  description = "Redis that it publishes to: host, user, and the group that the user logs in to by IAM; null without it."
  type        = object({ address = string, user = string, group = string })
}

variable "starts" {
  description = "When the nightly run starts, as a cron of EventBridge Scheduler."
  type        = string
  default     = "cron(30 1 * * ? *)"
}

variable "deadline" {
  description = "When it has to be done: whoever is late is reported then."
  type        = string
  default     = "cron(0 5 * * ? *)"
}

variable "timezone" {
  description = "Time zone of both."
  type        = string
  default     = "UTC"
}

variable "enabled" {
  description = "Start by itself; otherwise somebody starts it by hand."
  type        = bool
}

variable "alert_topic_arn" {
  description = "Topic that is told when a run fails."
  type        = string
}

variable "region" {
  description = "Region in which Glue's catalog, DynamoDB and Redis are."
  type        = string
}
