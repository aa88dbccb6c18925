# Bucket, key and region come from dev.s3.tfbackend; the lock is an object beside the state.
terraform {
  backend "s3" {
    use_lockfile = true
    encrypt      = true
  }
}
