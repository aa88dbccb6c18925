variable "name" {
  description = "Name of the stack, such as paylake-dev: the beginning of every name in it."
  type        = string
}

variable "key_arn" {
  description = "Key of the card: it encrypts this secret, and nothing else."
  type        = string
}

variable "readers" {
  description = "ARNs of the only roles that may read the secret."
  type        = list(string)
}

variable "recovery_days" {
  description = "Days in which the deleted secret can be brought back."
  type        = number
}
