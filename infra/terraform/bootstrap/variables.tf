variable "region" {
  description = "Region of the states."
  type        = string
  default     = "eu-central-1"
}
