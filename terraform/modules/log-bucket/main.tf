# The bucket of the log. Everything here is meant to stay: each block has prevent_destroy, and the plan gate refuses a
# plan that takes a block out of the code.

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}
data "aws_partition" "current" {}

locals {
  # What the templates below policies/ may name.
  template = {
    bucket                      = var.bucket
    log_bucket_prefix           = var.log_bucket_prefix
    deployment                  = var.deployment
    account_id                  = data.aws_caller_identity.current.account_id
    region                      = data.aws_region.current.name
    partition                   = data.aws_partition.current.partition
    writer_role_arn             = var.roles.writer
    mirror_role_arn             = var.roles.mirror
    verifier_role_arn           = var.roles.verifier
    retention_extender_role_arn = var.roles.retention_extender
    hold_manager_role_arn       = var.roles.hold_manager
    replication_role_arn        = var.roles.replication
    pipeline_role_arn           = var.roles.pipeline
    store_key_arn               = var.store_key_arn == null ? "" : var.store_key_arn
    retention_mode              = var.retention_mode
    min_retention_days          = var.min_retention_days
    max_retention_days          = var.max_retention_days
  }
}

resource "aws_s3_bucket" "log" {
  bucket = var.bucket
  # Both are literals: a changed object_lock_enabled replaces the bucket, and force_destroy deletes versions with the
  # header that bypasses GOVERNANCE.
  object_lock_enabled = true
  force_destroy       = false
  tags                = merge(var.tags, { "indelible:protected" = "log-bucket" })

  lifecycle {
    prevent_destroy = true

    precondition {
      condition     = var.encryption != "aws:kms" || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.store_key_arn))
      error_message = "store_key_arn: encryption = \"aws:kms\" needs the ARN of a key, not of an alias, which could be turned to another key. Set store_key_arn, or encryption = \"AES256\"."
    }
  }
}

resource "aws_s3_bucket_versioning" "log" {
  bucket = aws_s3_bucket.log.bucket

  versioning_configuration {
    status = "Enabled"
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_object_lock_configuration" "log" {
  bucket = aws_s3_bucket_versioning.log.bucket

  rule {
    default_retention {
      mode = var.retention_mode
      days = var.retention_days
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "log" {
  bucket = aws_s3_bucket.log.bucket

  rule {
    bucket_key_enabled = var.encryption == "aws:kms"

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.encryption
      kms_master_key_id = var.encryption == "aws:kms" ? var.store_key_arn : null
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "log" {
  bucket                  = aws_s3_bucket.log.bucket
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_ownership_controls" "log" {
  bucket = aws_s3_bucket.log.bucket

  rule {
    object_ownership = "BucketOwnerEnforced"
  }

  lifecycle {
    prevent_destroy = true
  }
}

# Last: from here on the policy refuses changes to what stands above.
resource "aws_s3_bucket_policy" "log" {
  bucket = aws_s3_bucket.log.bucket
  policy = jsonencode(jsondecode(templatefile("${path.module}/../../../policies/s3/log-bucket.json", local.template)))

  depends_on = [
    aws_s3_bucket_object_lock_configuration.log,
    aws_s3_bucket_server_side_encryption_configuration.log,
    aws_s3_bucket_public_access_block.log,
    aws_s3_bucket_ownership_controls.log,
    aws_s3_bucket_lifecycle_configuration.log,
  ]

  lifecycle {
    prevent_destroy = true

    # An empty or allowing document would be taken by S3 without a word.
    precondition {
      condition = alltrue([for statement in jsondecode(templatefile("${path.module}/../../../policies/s3/log-bucket.json", local.template)).Statement :
      statement.Effect == "Deny"])
      error_message = "policies/s3/log-bucket.json: a statement allows something. The bucket's policy only denies; rights are given by the roles. Move the statement to policies/iam/."
    }
  }
}
