variable "name" {
  description = "Name of the stack, such as paylake-dev: the beginning of every name in it."
  type        = string
}

variable "place" {
  description = "Where the stack stands: account, partition and region."
  type        = object({ account = string, partition = string, region = string })
}

variable "cidr" {
  description = "Addresses of the network; /16 leaves 4,091 of them to each of three private subnets."
  type        = string
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrnetmask(var.cidr)) && tonumber(split("/", var.cidr)[1]) <= 20
    error_message = "The network's addresses are a block of /20 or larger, such as 10.40.0.0/16."
  }
}

variable "zones" {
  description = "Three availability zones, since three brokers stand in three."
  type        = list(string)

  validation {
    condition     = length(distinct(var.zones)) == 3
    error_message = "Name three different availability zones."
  }
}

variable "nat_enabled" {
  description = "A way out of the private subnets, one per zone; without it nothing leaves but through the endpoints."
  type        = bool
  default     = false
}

variable "endpoint_services" {
  description = "AWS services that are reached inside the network; each costs per zone and hour. Empty where the stack rests."
  type        = set(string)
}

variable "endpoint_zones" {
  description = "In how many zones the endpoints stand."
  type        = number
  default     = 3

  validation {
    condition     = var.endpoint_zones >= 1 && var.endpoint_zones <= 3
    error_message = "Endpoints stand in 1 to 3 zones."
  }
}

variable "log_key_arn" {
  description = "Key of the flow log."
  type        = string
}

variable "log_retention_days" {
  description = "Days that the flow log is kept."
  type        = number
}
