variable "name" {
  description = "Name of the stack, such as paylake-dev: the beginning of every name in it."
  type        = string
}

variable "place" {
  description = "Where the stack stands: account, partition and region."
  type        = object({ account = string, partition = string, region = string })
}

variable "log_key_arn" {
  description = "Key of the log groups."
  type        = string
}

variable "alert_key_arn" {
  description = "Key of the topics; CloudWatch may use it, or alarms would go nowhere."
  type        = string
}

variable "log_retention_days" {
  description = "Days that logs are kept in CloudWatch."
  type        = number
}

variable "page_emails" {
  description = "Addresses that are told at once."
  type        = set(string)
  default     = []
}

variable "ticket_emails" {
  description = "Addresses that are told of what can wait until morning."
  type        = set(string)
  default     = []
}

variable "watch" {
  description = "What there is to watch: names of resources, null where the stack does not have one now."
  type = object({
    stream_cluster = string
    eks_cluster    = string
    application    = object({ id = string })
    cache_id       = string
    tables         = list(string)
    missed_queue   = string
    nightly        = string
    queries        = list(string)
  })
}

variable "silent_seconds" {
  description = "A streaming query whose last batch is older than this is down."
  type        = number
  default     = 300
}

variable "lag_limit" {
  description = "Records that a streaming query may be behind."
  type        = number
  default     = 500000
}
