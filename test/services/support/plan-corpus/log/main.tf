# What the plan gate is tried on: the modules together, and resources that no module makes but a deployment has.
terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region            = "us-east-1"
  s3_use_path_style = true
}

locals {
  name    = "audit-log"
  account = "123456789012"
  role    = "arn:aws:iam::${local.account}:role/${local.name}"
  roles = {
    writer             = "${local.role}-writer"
    mirror             = "${local.role}-mirror"
    verifier           = "${local.role}-verifier"
    retention_extender = "${local.role}-retention-extender"
    hold_manager       = "${local.role}-hold-manager"
    replication        = "${local.role}-replication"
    pipeline           = "${local.role}-pipeline"
  }
  # Who may take on a role: one principal of the account.
  trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Service"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${local.account}:role/service" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:PrincipalTag/team" = "audit" } }
    }]
  })
}

module "keys" {
  source = "../../modules/keys"

  name       = local.name
  deployment = "audit.example.com"
  roles      = local.roles
}

module "log_bucket" {
  source = "../../modules/log-bucket"

  bucket             = "${local.name}-entries"
  log_bucket_prefix  = "${local.name}-"
  deployment         = "audit.example.com"
  roles              = local.roles
  store_key_arn      = module.keys.store_key_arn
  retention_mode     = "GOVERNANCE"
  retention_days     = 30
  min_retention_days = 7
  max_retention_days = 60
}

module "roles" {
  source = "../../modules/roles"

  name              = local.name
  trust_policies    = { for duty in ["writer", "mirror", "verifier"] : duty => local.trust }
  bucket            = module.log_bucket.bucket
  log_bucket_prefix = "${local.name}-"
  deployment        = "audit.example.com"
  signing_key_arn   = module.keys.signing_key_arn
  store_key_arn     = module.keys.store_key_arn
  msk_cluster_arn   = module.mirror.cluster_arn_pattern
}

module "mirror" {
  source = "../../modules/mirror"

  name               = local.name
  authentication     = "scram-and-iam"
  subnet_ids         = ["subnet-a", "subnet-b", "subnet-c"]
  security_group_ids = ["sg-a"]
}
