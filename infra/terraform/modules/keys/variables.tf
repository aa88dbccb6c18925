variable "name" {
  description = "Name of the stack, such as paylake-dev: the beginning of every name in it."
  type        = string
}

variable "place" {
  description = "Where the stack stands: account, partition and region."
  type        = object({ account = string, partition = string, region = string })
}

variable "card_key_readers" {
  description = "ARNs of the only roles that may decrypt the key of the card tokens: those that use it, and who makes it."
  type        = list(string)

  validation {
    condition     = length(var.card_key_readers) > 0 && alltrue([for arn in var.card_key_readers : !strcontains(arn, "*")])
    error_message = "Name each role that reads the card key by its whole ARN, without *."
  }
}

variable "deletion_window_days" {
  description = "Days in which a deleted key can be brought back."
  type        = number
  default     = 30

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30
    error_message = "AWS keeps a deleted key 7 to 30 days."
  }
}
