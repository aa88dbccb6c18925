variable "name" {
  description = "Name of the stack, such as paylake-dev: the beginning of every name in it."
  type        = string
}

variable "place" {
  description = "Where the stack stands: account, partition and region."
  type        = object({ account = string, partition = string, region = string })
}

variable "key_arn" {
  description = "Key of the images."
  type        = string
}

variable "images" {
  description = "How many images of each repository are kept."
  type        = number
  default     = 30
}

variable "force_delete" {
  description = "Destroy repositories with the images in them."
  type        = bool
  default     = false
}
