variable "name" {
  description = "Name of the stack, such as paylake-dev: the beginning of every name in it."
  type        = string
}

variable "place" {
  description = "Where the stack stands: account, partition and region."
  type        = object({ account = string, partition = string, region = string })
}

variable "components" {
  description = "Component -> what it is, who may become it, and all that it may do. Prefixes are those of the bucket."
  type = map(object({
    description     = string
    services        = list(string)
    service_account = optional(object({ namespace = string, name = string }))
    card_key        = optional(bool, false)
    lake_reads      = optional(list(string), [])
    lake_writes     = optional(list(string), [])
    raw_reads       = optional(list(string), [])
    raw_writes      = optional(list(string), [])
    topics_read     = optional(list(string), [])
    topics_written  = optional(list(string), [])
    topics_created  = optional(list(string), [])
    tables_written  = optional(list(string), [])
    catalog         = optional(bool, false)
    releases        = optional(bool, false)
    cache           = optional(bool, false)
    scales_nodes    = optional(bool, false)
    watches_nodes   = optional(bool, false)
  }))

  validation {
    condition = alltrue(flatten([
      for component in values(var.components) : [
        for service in component.services : contains(["pods.eks", "emr-serverless", "emr-steps"], service)
      ]
    ]))
    error_message = "A component is run by pods.eks, emr-serverless or emr-steps."
  }
}

variable "teams" {
  description = "Team -> which sensitivities it may read, and whether it may act on breaks."
  type        = map(object({ reads = list(string), acts = bool }))
}

variable "bucket_arns" {
  description = "raw, processed, logs, artefacts -> ARN of the bucket."
  type        = map(string)
}

variable "key_arns" {
  description = "Purpose -> ARN of its key."
  type        = map(string)
}

variable "card_secret_arn" {
  description = "Secret that holds the key of the card tokens."
  type        = string
}

variable "cluster_arn" {
  description = "MSK cluster; null while the stack rests."
  type        = string
}

variable "table_arns" {
  description = "DynamoDB tables by name."
  type        = map(string)
}

variable "cache_arns" {
  description = "Replication group and user of Redis, as redis and user; empty while the stack rests."
  type        = map(string)
}

variable "database" {
  description = "Glue's database of the lake."
  type        = string
}

variable "workgroup" {
  description = "Athena's workgroup."
  type        = string
}

variable "repository_arns" {
  description = "Repositories of the images."
  type        = list(string)
}

variable "ci" {
  description = "Who may become the role of continuous integration: the repository (owner/name), its environment, and the OIDC provider if the account has one already. Null for no such role."
  type = object({
    repository   = string
    environment  = string
    provider_arn = optional(string)
  })
  default = null

  validation {
    condition     = var.ci == null || can(regex("^[\\w.-]+/[\\w.-]+$", var.ci.repository))
    error_message = "Name the repository as owner/name, without *."
  }
}
