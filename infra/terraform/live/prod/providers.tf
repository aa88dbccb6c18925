provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project     = "paylake"
      Environment = "prod"
      ManagedBy   = "terraform"
      Owner       = var.owner
      CostCenter  = var.cost_center
      DataClass   = "cardholder"
    }
  }
}
