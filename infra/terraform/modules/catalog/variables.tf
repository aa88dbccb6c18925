variable "name" {
  description = "Name of the stack, such as paylake-dev: the beginning of every name in it."
  type        = string
}

variable "place" {
  description = "Where the stack stands: account, partition and region."
  type        = object({ account = string, partition = string, region = string })
}

variable "database" {
  description = "Glue's database of the lake."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]*$", var.database))
    error_message = "Athena names a database without quotes only where it is made of small letters, digits and _."
  }
}

variable "lake_bucket" {
  description = "Bucket of the lake."
  type        = object({ name = string, arn = string })
}

variable "results_bucket" {
  description = "Bucket that takes Athena's answers."
  type        = string
}

variable "key_arn" {
  description = "Key of the lake, of Athena's answers and of the catalog."
  type        = string
}

variable "questions" {
  description = "What the teams ask: name -> team, description and SQL."
  type        = map(object({ team = string, asks = string, sql = string }))
}

variable "sensitivities" {
  description = "Values of the tag that decides who reads a table."
  type        = list(string)
}

variable "teams" {
  description = "Team -> role, and the sensitivities that it may read."
  type        = map(object({ role_arn = string, reads = list(string) }))
}

variable "keeper_role_arn" {
  description = "Role of the job that registers tables and views."
  type        = string
}

variable "tagger_role_arn" {
  description = "Role of the nightly run, which tags what was registered."
  type        = string
}

variable "admin_arns" {
  description = "Roles that administer Lake Formation, the one that runs Terraform among them."
  type        = list(string)
}

variable "scan_limit_gib" {
  description = "A query that would read more is stopped."
  type        = number
  default     = 100
}

variable "force_destroy" {
  description = "Destroy the workgroup with the queries in it."
  type        = bool
  default     = false
}
