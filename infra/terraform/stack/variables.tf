variable "project" {
  description = "Beginning of the stack's name."
  type        = string
  default     = "paylake"
}

variable "environment" {
  description = "Which stack: the end of its name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,7}$", var.environment))
    error_message = "An environment is 2 to 8 small letters and digits, such as dev or prod."
  }
}

variable "release" {
  description = "Release whose jobs run, and tag of the batch image."
  type        = string
}

variable "release_label" {
  description = "EMR release; it has the Spark and Delta that the tests of the EMR twin run."
  type        = string
  default     = "emr-spark-8.0.0"
}

variable "kafka_version" {
  description = "Kafka of the brokers."
  type        = string
  default     = "3.9.x.kraft"
}

# --- what costs ---

variable "running" {
  description = "False rests the stack: whatever costs by the hour goes, what holds data stays."
  type        = bool
}

variable "stream_enabled" {
  description = "Kafka (MSK)."
  type        = bool
  default     = true
}

variable "eks_enabled" {
  description = "Kubernetes (EKS): streaming jobs and API."
  type        = bool
  default     = true
}

variable "serverless_enabled" {
  description = "EMR Serverless for the nightly run."
  type        = bool
  default     = true
}

variable "cluster_enabled" {
  description = "An EMR cluster on EC2."
  type        = bool
  default     = false
}

variable "cache_enabled" {
  description = "Redis (ElastiCache)."
  type        = bool
  default     = true
}

variable "nat_enabled" {
  description = "A way out of the private network; nothing of paylake needs one."
  type        = bool
  default     = false
}

variable "guardduty_enabled" {
  description = "GuardDuty."
  type        = bool
  default     = true
}

variable "nightly_engine" {
  description = "Where the nightly jobs run: serverless or cluster."
  type        = string
  default     = "serverless"
}

variable "schedule_enabled" {
  description = "Start the nightly run by itself."
  type        = bool
  default     = true
}

# --- how large ---

variable "sizes" {
  description = "How large the parts are: brokers, nodes, Redis, endpoints."
  type = object({
    broker_type    = string
    volume_gib     = number
    max_volume_gib = number
    monitoring     = string
    node_groups    = map(object({ instance_types = list(string), capacity = string, least = number, most = number }))
    cache_type     = string
    cache_nodes    = number
    endpoint_zones = number
    batch          = object({ vcpu = number, memory = number, disk = number })
  })
}

# --- how long ---

variable "log_retention_days" {
  description = "Days that logs are kept in CloudWatch."
  type        = number
}

variable "noncurrent_days" {
  description = "Days that a deleted object can still be brought back."
  type        = number
  default     = 30
}

variable "object_lock" {
  description = "How long nobody can delete the audit trail."
  type        = object({ mode = string, days = number })
}

variable "deletion_window_days" {
  description = "Days in which a deleted key can be brought back."
  type        = number
}

variable "force_destroy" {
  description = "Let a destroy take buckets, repositories and tables with what is in them."
  type        = bool
}

# --- where, who ---

variable "cidr" {
  description = "Addresses of the network."
  type        = string
}

variable "zones" {
  description = "Letters of three availability zones. Named rather than looked up: a new zone of AWS's would move subnets."
  type        = list(string)
  default     = ["a", "b", "c"]
}

variable "eks_public_cidrs" {
  description = "Addresses from which kubectl may reach the control plane."
  type        = list(string)
  default     = []
}

variable "kube_access" {
  description = "Who may use Kubernetes: ARN of a role -> access policy and namespaces."
  type        = map(object({ policy = string, namespaces = list(string) }))
  default     = {}
}

variable "lake_admin_arns" {
  description = "Roles that administer Lake Formation, beside the one that runs Terraform."
  type        = list(string)
  default     = []
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
  description = "Who may become the role of continuous integration; null for no such role."
  type        = object({ repository = string, environment = string, provider_arn = optional(string) })
  default     = null
}

variable "schedule" {
  description = "When the nightly run starts, by when it has to be done, and in which time zone."
  type        = object({ starts = string, deadline = string, timezone = string })
  default     = { starts = "cron(30 1 * * ? *)", deadline = "cron(0 5 * * ? *)", timezone = "UTC" }
}

variable "emr_certificates_object" {
  description = "S3 URI of the PEM certificates with which an EMR cluster encrypts between its nodes; null: emr/certificates.zip of the artefacts."
  type        = string
  default     = null
}

variable "custom_image" {
  description = "Run the batch image of this release on EMR Serverless; without it EMR's own image, which lacks paylake's packages."
  type        = bool
  default     = true
}
