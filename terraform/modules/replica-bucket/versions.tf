terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
      # primary: account and region of the log bucket. replica: another account, another region.
      configuration_aliases = [aws.primary, aws.replica]
    }
  }
}
