provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project     = "paylake"
      Environment = "dev"
      ManagedBy   = "terraform"
      Owner       = var.owner
      CostCenter  = var.cost_center
      DataClass   = "synthetic"
    }
  }
}
