# One stolen administrator, or one lost region, must not have both copies.

mock_provider "aws" {
  alias = "primary"

  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

# An administrator of the log's account gave the log's own account for the replica.
mock_provider "aws" {
  alias = "same_account"

  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

mock_provider "aws" {
  alias = "same_region"

  mock_data "aws_caller_identity" {
    defaults = { account_id = "444455556666" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  bucket             = "audit-log-example-replica"
  source_bucket      = "audit-log-example"
  log_bucket_prefix  = "audit-log-"
  deployment         = "audit.example.com"
  copied_by          = "s3"
  retention_mode     = "GOVERNANCE"
  retention_days     = 30
  min_retention_days = 29
  max_retention_days = 60
  roles = {
    writer             = "arn:aws:iam::111122223333:role/audit-log-writer"
    mirror             = "arn:aws:iam::111122223333:role/audit-log-mirror"
    verifier           = "arn:aws:iam::111122223333:role/audit-log-verifier"
    retention_extender = "arn:aws:iam::111122223333:role/audit-log-retention-extender"
    hold_manager       = "arn:aws:iam::111122223333:role/audit-log-hold-manager"
    replication        = "arn:aws:iam::111122223333:role/audit-log-replication"
    pipeline           = "arn:aws:iam::444455556666:role/audit-log-pipeline"
  }
}

run "refuses_the_account_of_the_log" {
  command = plan

  providers = {
    aws.primary = aws.primary
    aws.replica = aws.same_account
  }

  expect_failures = [aws_s3_bucket.replica]
}

run "refuses_the_region_of_the_log" {
  command = plan

  providers = {
    aws.primary = aws.primary
    aws.replica = aws.same_region
  }

  expect_failures = [aws_s3_bucket.replica]
}
