variable "name" {
  description = "Name of the stack, such as paylake-dev: the beginning of every name in it."
  type        = string
}

variable "place" {
  description = "Where the stack stands: account, partition and region."
  type        = object({ account = string, partition = string, region = string })
}

variable "key_arn" {
  description = "Key of the trail and its log group."
  type        = string
}

variable "alert_topic_arn" {
  description = "Topic that pages when somebody is refused a key."
  type        = string
}

variable "topic_key_arn" {
  description = "Key of the topic that hears of each delivered log file."
  type        = string
}

variable "bucket_arns" {
  description = "Buckets whose every object access is recorded."
  type        = list(string)
}

variable "table_arns" {
  description = "DynamoDB tables whose every access is recorded."
  type        = list(string)
}

variable "object_lock" {
  description = "How long nobody can delete the trail: GOVERNANCE (some can) or COMPLIANCE (nobody can), and days."
  type        = object({ mode = string, days = number })
}

variable "log_bucket" {
  description = "Bucket of access logs."
  type        = string
}

variable "log_retention_days" {
  description = "Days that the trail can be searched in CloudWatch; PCI DSS asks for three months."
  type        = number

  validation {
    condition     = var.log_retention_days >= 90
    error_message = "PCI DSS 10.5.1 asks that three months of the trail can be searched at once: 90 days or more."
  }
}

variable "guardduty_enabled" {
  description = "Look for intruders with GuardDuty; it costs by what it reads."
  type        = bool
}

variable "force_destroy" {
  description = "Destroy the bucket with the trail in it, as far as its object lock lets go."
  type        = bool
  default     = false
}
