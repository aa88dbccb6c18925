variable "name" {
  description = "Name of the stack, such as paylake-dev: the beginning of every name in it."
  type        = string
}

variable "key_arn" {
  description = "Key of tables and cache."
  type        = string
}

variable "cache_enabled" {
  description = "Run Redis."
  type        = bool
}

variable "cache_type" {
  description = "Node type of Redis."
  type        = string
  default     = "cache.t4g.micro"
}

variable "cache_nodes" {
  description = "Nodes of Redis; with 2 or more, one takes over when another fails."
  type        = number
  default     = 1

  validation {
    condition     = var.cache_nodes >= 1 && var.cache_nodes <= 6
    error_message = "Redis has 1 to 6 nodes here."
  }
}

variable "subnet_ids" {
  description = "Private subnets of Redis."
  type        = list(string)
}

variable "security_group_id" {
  description = "Security group of Redis."
  type        = string
}

variable "deletion_protection" {
  description = "Refuse to delete the tables."
  type        = bool
}
