variable "name" {
  description = "Name of the stack, such as paylake-dev: the beginning of every name in it."
  type        = string
}

variable "place" {
  description = "Where the stack stands: account, partition and region."
  type        = object({ account = string, partition = string, region = string })
}

variable "lake_key_arn" {
  description = "Key of what the buckets hold."
  type        = string
}

variable "noncurrent_days" {
  description = "Days that a deleted object can still be brought back: 30 at most, since that is what erasure promises."
  type        = number
  default     = 30
}

variable "quarantine_days" {
  description = "Days that rejected files are kept for somebody to look at."
  type        = number
  default     = 90
}

variable "log_days" {
  description = "Days that access logs and job logs are kept in the log bucket; PCI DSS asks for a year."
  type        = number
  default     = 400

  validation {
    condition     = var.log_days >= 365
    error_message = "PCI DSS 10.5.1 asks for twelve months of logs: 365 days or more."
  }
}

variable "force_destroy" {
  description = "Destroy the buckets with what is in them."
  type        = bool
  default     = false
}
