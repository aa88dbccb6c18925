variable "bucket" {
  description = "Name of the bucket, unique in all of AWS."
  type        = string
}

variable "key_arn" {
  description = "Key that encrypts every object; null for S3's own, the only one with which S3 writes access logs."
  type        = string
}

variable "log_bucket" {
  description = "Bucket that takes the access log; null for the log bucket itself."
  type        = object({ name = string })
  default     = null
}

variable "expire_after_days" {
  description = "Prefix -> days after which its objects go; other objects stay."
  type        = map(number)
  default     = {}
}

variable "noncurrent_days" {
  description = "Days that a deleted or replaced object can still be brought back; erasure is complete after them."
  type        = number
  default     = 30

  validation {
    condition     = var.noncurrent_days >= 1 && var.noncurrent_days <= 30
    error_message = "Erasure promises 30 days at most, and a deleted object is still there for noncurrent_days: say 1 to 30."
  }
}

variable "object_lock" {
  description = "Retention under which no object can be deleted, as mode and days; null for none."
  type        = object({ mode = string, days = number })
  default     = null

  validation {
    condition     = var.object_lock == null || contains(["GOVERNANCE", "COMPLIANCE"], try(var.object_lock.mode, ""))
    error_message = "The mode of an object lock is GOVERNANCE or COMPLIANCE."
  }
}

variable "statements" {
  description = "Statements of the bucket's policy beside those that every bucket has."
  type        = any
  default     = []
}

variable "force_destroy" {
  description = "Destroy the bucket with the objects in it."
  type        = bool
  default     = false
}
