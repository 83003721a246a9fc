# The second copy, in another account and another region. Whoever administers the log's account administers nothing
# here, so that one stolen administrator, one closed account or one lost region leaves a copy.

data "aws_caller_identity" "primary" {
  provider = aws.primary
}

data "aws_region" "primary" {
  provider = aws.primary
}

data "aws_caller_identity" "replica" {
  provider = aws.replica
}

data "aws_region" "replica" {
  provider = aws.replica
}

data "aws_partition" "replica" {
  provider = aws.replica
}

locals {
  # What the templates below policies/ may name. account_id is the log's account, whose roles have rights here.
  key_template = {
    bucket                      = var.bucket
    replica_bucket              = var.bucket
    log_bucket_prefix           = var.log_bucket_prefix
    deployment                  = var.deployment
    account_id                  = data.aws_caller_identity.primary.account_id
    replica_account_id          = data.aws_caller_identity.replica.account_id
    region                      = data.aws_region.replica.name
    partition                   = data.aws_partition.replica.partition
    writer_role_arn             = var.roles.writer
    mirror_role_arn             = var.roles.mirror
    verifier_role_arn           = var.roles.verifier
    retention_extender_role_arn = var.roles.retention_extender
    hold_manager_role_arn       = var.roles.hold_manager
    replication_role_arn        = var.roles.replication
    pipeline_role_arn           = var.roles.pipeline
    retention_mode              = var.retention_mode
    min_retention_days          = var.min_retention_days
    max_retention_days          = var.max_retention_days
  }
  template = merge(local.key_template, { store_key_arn = aws_kms_key.replica.arn })
  policy   = var.copied_by == "s3" ? "replica-bucket.json" : "replica-bucket-service.json"
}

resource "aws_s3_bucket" "replica" {
  provider = aws.replica

  bucket              = var.bucket
  object_lock_enabled = true
  force_destroy       = false
  tags                = merge(var.tags, { "indelible:protected" = "replica-bucket" })

  lifecycle {
    prevent_destroy = true

    precondition {
      condition     = data.aws_caller_identity.replica.account_id != data.aws_caller_identity.primary.account_id
      error_message = "aws.replica: the replica would be in account ${data.aws_caller_identity.primary.account_id}, the log's own: whoever takes or closes that account has both copies. Give the module a provider aws.replica of another account."
    }

    precondition {
      condition     = data.aws_region.replica.name != data.aws_region.primary.name
      error_message = "aws.replica: the replica would be in region ${data.aws_region.primary.name}, as the log is: what takes that region away takes both copies. Give the module a provider aws.replica of another region."
    }
  }
}

resource "aws_s3_bucket_versioning" "replica" {
  provider = aws.replica

  bucket = aws_s3_bucket.replica.bucket

  versioning_configuration {
    status = "Enabled"
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_object_lock_configuration" "replica" {
  provider = aws.replica

  bucket = aws_s3_bucket_versioning.replica.bucket

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

resource "aws_s3_bucket_server_side_encryption_configuration" "replica" {
  provider = aws.replica

  bucket = aws_s3_bucket.replica.bucket

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.replica.arn
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "replica" {
  provider = aws.replica

  bucket                  = aws_s3_bucket.replica.bucket
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_ownership_controls" "replica" {
  provider = aws.replica

  bucket = aws_s3_bucket.replica.bucket

  rule {
    object_ownership = "BucketOwnerEnforced"
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "replica" {
  provider = aws.replica

  bucket                                 = aws_s3_bucket_versioning.replica.bucket
  transition_default_minimum_object_size = "all_storage_classes_128K"

  # As in the log's bucket: copies move to colder classes, and nothing ends.
  rule {
    id     = "tier-chains"
    status = "Enabled"

    filter {
      prefix = "chains/"
    }

    transition {
      days          = var.standard_days
      storage_class = "GLACIER_IR"
    }

    transition {
      days          = coalesce(var.deep_archive_after_days, var.at_hand_days)
      storage_class = "DEEP_ARCHIVE"
    }
  }

  rule {
    id     = "abort-uploads"
    status = "Enabled"

    filter {
      prefix = ""
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "clean-self-test"
    status = "Enabled"

    filter {
      prefix = "_self-test/"
    }

    expiration {
      days = 1
    }

    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

# Last: from here on the policy refuses changes to what stands above.
resource "aws_s3_bucket_policy" "replica" {
  provider = aws.replica

  bucket = aws_s3_bucket.replica.bucket
  policy = jsonencode(jsondecode(templatefile("${path.module}/../../../policies/s3/${local.policy}", local.template)))

  depends_on = [
    aws_s3_bucket_object_lock_configuration.replica,
    aws_s3_bucket_server_side_encryption_configuration.replica,
    aws_s3_bucket_public_access_block.replica,
    aws_s3_bucket_ownership_controls.replica,
    aws_s3_bucket_lifecycle_configuration.replica,
  ]

  lifecycle {
    prevent_destroy = true
  }
}
