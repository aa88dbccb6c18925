variable "region" {
  description = "Region of the stack."
  type        = string
  default     = "eu-central-1"
}

variable "owner" {
  description = "Who answers for the stack: a tag on everything."
  type        = string
  default     = "payments-platform"
}

variable "cost_center" {
  description = "Who pays for it: a tag on everything."
  type        = string
  default     = "reconciliation"
}

variable "release" {
  description = "Release that runs: tag of the images, part of the job scripts' address."
  type        = string
  default     = "0.1.0"
}

variable "running" {
  description = "False rests the stack: what costs by the hour goes, what holds data stays."
  type        = bool
  default     = true
}

variable "eks_public_cidrs" {
  description = "Addresses from which kubectl may reach the control plane, such as the office's; none: from inside only."
  type        = list(string)
  default     = []
}

variable "kube_access" {
  description = "Who may use Kubernetes: ARN of a role -> access policy and namespaces."
  type        = map(object({ policy = string, namespaces = list(string) }))
  default     = {}
}

variable "page_emails" {
  description = "Addresses that are told at once."
  type        = set(string)
  default     = []
}

variable "ticket_emails" {
  description = "Addresses that are told of what can wait."
  type        = set(string)
  default     = []
}

variable "ci" {
  description = "Who may become the role of continuous integration: repository as owner/name, its environment, the OIDC provider's ARN if the account has one."
  type        = object({ repository = string, environment = string, provider_arn = optional(string) })
  default     = null
}

variable "stream_enabled" {
  description = "Kafka: three small brokers."
  type        = bool
  default     = true
}

variable "eks_enabled" {
  description = "Kubernetes: streaming jobs and API."
  type        = bool
  default     = true
}

variable "serverless_enabled" {
  description = "EMR Serverless: costs while a job runs only."
  type        = bool
  default     = true
}

variable "cluster_enabled" {
  description = "An EMR cluster on EC2."
  type        = bool
  default     = false
}

variable "cache_enabled" {
  description = "Redis: one small node."
  type        = bool
  default     = true
}

variable "nat_enabled" {
  description = "A way out of the private network."
  type        = bool
  default     = false
}

variable "guardduty_enabled" {
  description = "GuardDuty."
  type        = bool
  default     = false
}

variable "nightly_engine" {
  description = "Where the nightly jobs run: serverless or cluster."
  type        = string
  default     = "serverless"
}

variable "schedule_enabled" {
  description = "Start the nightly run by itself; a development stack is started by hand."
  type        = bool
  default     = false
}

variable "release_label" {
  description = "EMR release."
  type        = string
  default     = "emr-spark-8.0.0"
}
