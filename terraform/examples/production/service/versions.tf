terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # Another state than that of the locked parts:
  #   terraform init -backend-config=backend.hcl      (bucket, key, region, use_lockfile = true, encrypt = true)
  backend "s3" {}
}

# The log's account.
provider "aws" {
  region              = var.region
  allowed_account_ids = [var.log_account_id]

  assume_role {
    role_arn = "arn:aws:iam::${var.log_account_id}:role/${var.pipeline_role}"
  }
}

# IAM and the organization report to us-east-1 alone.
provider "aws" {
  alias               = "global"
  region              = "us-east-1"
  allowed_account_ids = [var.log_account_id]

  assume_role {
    role_arn = "arn:aws:iam::${var.log_account_id}:role/${var.pipeline_role}"
  }
}

# The replica's account.
provider "aws" {
  alias               = "replica"
  region              = var.replica_region
  allowed_account_ids = [var.replica_account_id]

  assume_role {
    role_arn = "arn:aws:iam::${var.replica_account_id}:role/${var.pipeline_role}"
  }
}

provider "aws" {
  alias               = "replica_global"
  region              = "us-east-1"
  allowed_account_ids = [var.replica_account_id]

  assume_role {
    role_arn = "arn:aws:iam::${var.replica_account_id}:role/${var.pipeline_role}"
  }
}

# The organization's own account: only there is a detached policy reported.
provider "aws" {
  alias               = "organization"
  region              = "us-east-1"
  allowed_account_ids = [var.management_account_id]

  assume_role {
    role_arn = "arn:aws:iam::${var.management_account_id}:role/${var.pipeline_role}"
  }
}
