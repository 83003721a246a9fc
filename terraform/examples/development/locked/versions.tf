terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
  # The state is a file in this folder. That suits a trial; production keeps it in a bucket.
}

# The pipeline's role, in a trial, too: the policies of bucket and keys let nobody else change them.
provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  assume_role {
    role_arn = "arn:aws:iam::${var.account_id}:role/${var.pipeline_role}"
  }
}
