variable "name" {
  description = "Name of the stack, such as paylake-dev: the beginning of every name in it."
  type        = string
}

variable "place" {
  description = "Where the stack stands: account, partition and region."
  type        = object({ account = string, partition = string, region = string })
}

variable "subnet_ids" {
  description = "Private subnets of nodes and jobs."
  type        = list(string)
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "security_group_ids" {
  description = "workers and batch -> security group."
  type        = map(string)
}

variable "cluster_key_arn" {
  description = "Key of Kubernetes' secrets and of all disks."
  type        = string
}

variable "lake_key_arn" {
  description = "Key of the lake, with which EMR encrypts what it writes to S3."
  type        = string
}

variable "log_key_arn" {
  description = "Key of the control plane's log."
  type        = string
}

variable "log_retention_days" {
  description = "Days that the control plane's log is kept."
  type        = number
}

variable "log_bucket" {
  description = "Bucket of the jobs' logs."
  type        = string
}

variable "eks_enabled" {
  description = "Run Kubernetes: the streaming jobs and the API."
  type        = bool
}

variable "eks_version" {
  description = "Kubernetes of the cluster."
  type        = string
  default     = "1.34"
}

variable "eks_public_cidrs" {
  description = "Addresses from which kubectl may reach the control plane; none: from inside the network only."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.eks_public_cidrs, "0.0.0.0/0")
    error_message = "The control plane is never open to everybody: name the addresses of your office or VPN."
  }
}

variable "node_groups" {
  description = "Node groups: their instance types, ON_DEMAND or SPOT, and how many nodes there are at least and at most."
  type = map(object({
    instance_types = list(string)
    capacity       = string
    least          = number
    most           = number
  }))

  validation {
    condition     = alltrue([for g in values(var.node_groups) : g.least <= g.most && contains(["ON_DEMAND", "SPOT"], g.capacity)])
    error_message = "A node group is ON_DEMAND or SPOT, and has at least as many nodes at most as at least."
  }
}

variable "addons" {
  description = "EKS add-ons and their settings."
  type        = map(map(string))
  default = {
    vpc-cni                         = { enableNetworkPolicy = "true" }
    coredns                         = {}
    kube-proxy                      = {}
    eks-pod-identity-agent          = {}
    metrics-server                  = {}
    amazon-cloudwatch-observability = {}
  }
}

variable "pod_identities" {
  description = "Component -> namespace and service account whose pods become its role."
  type        = map(object({ namespace = string, service_account = string, role_arn = string }))
}

variable "kube_access" {
  description = "Who may use the cluster: ARN of a role -> EKS access policy, such as AmazonEKSEditPolicy, in the namespaces."
  type        = map(object({ policy = string, namespaces = list(string) }))
  default     = {}
}

variable "serverless_enabled" {
  description = "An EMR Serverless application for the nightly work; it costs while a job runs only."
  type        = bool
}

variable "cluster_enabled" {
  description = "An EMR cluster on EC2 in place of it or beside it; it costs while it stands."
  type        = bool
}

variable "release_label" {
  description = "EMR release of both; the one whose Spark the tests run."
  type        = string
}

variable "image_uri" {
  description = "Image of the batch jobs for EMR Serverless, made from EMR's own of the same release; null: EMR's own."
  type        = string
  default     = null
}

variable "maximum" {
  description = "What the nightly jobs may use together on EMR Serverless: vCPU, and memory and disk in GB."
  type        = object({ vcpu = number, memory = number, disk = number })
  default     = { vcpu = 64, memory = 256, disk = 1000 }
}

variable "cluster_types" {
  description = "Instance types of EMR's primary and core nodes, and how many core nodes."
  type        = object({ primary = string, core = string, cores = number })
  default     = { primary = "m7g.xlarge", core = "r7g.xlarge", cores = 2 }
}

variable "cluster_most" {
  description = "Core and task nodes that the EMR cluster may scale to."
  type        = number
  default     = 10
}

variable "step_role_arns" {
  description = "Roles of the components whose jobs an EMR cluster runs as steps."
  type        = list(string)
}

variable "certificates_object" {
  description = "S3 URI of the zip of PEM certificates with which an EMR cluster encrypts between its nodes."
  type        = string
}
