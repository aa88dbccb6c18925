variable "name" {
  description = "Name of the stack, such as paylake-dev: the beginning of every name in it."
  type        = string
}

variable "kafka_version" {
  description = "Kafka of the brokers; MSK lists which it has."
  type        = string
  default     = "3.9.x.kraft"
}

variable "broker_type" {
  description = "Instance type of the brokers."
  type        = string
}

variable "volume_gib" {
  description = "Disk of each broker at first, in GiB."
  type        = number
}

variable "max_volume_gib" {
  description = "Disk of each broker at most, in GiB; it grows by itself at 60 percent full."
  type        = number
}

variable "subnet_ids" {
  description = "Three private subnets, a broker in each."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "Three brokers stand in three subnets."
  }
}

variable "security_group_id" {
  description = "Security group of the brokers."
  type        = string
}

variable "key_arn" {
  description = "Key of the brokers' disks."
  type        = string
}

variable "log_group" {
  description = "CloudWatch log group of the brokers' logs."
  type        = string
}

variable "monitoring" {
  description = "How much the brokers tell: DEFAULT costs nothing, PER_TOPIC_PER_PARTITION the most."
  type        = string
  default     = "PER_TOPIC_PER_BROKER"

  validation {
    condition     = contains(["DEFAULT", "PER_BROKER", "PER_TOPIC_PER_BROKER", "PER_TOPIC_PER_PARTITION"], var.monitoring)
    error_message = "MSK knows DEFAULT, PER_BROKER, PER_TOPIC_PER_BROKER and PER_TOPIC_PER_PARTITION."
  }
}
