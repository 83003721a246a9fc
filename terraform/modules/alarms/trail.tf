# The trail that feeds the rules: management events of all regions, and what is written to objects of the log. Without
# the latter nobody hears of a deleted object or a delete marker.
locals {
  makes_trail = var.trail_name == null
  trail_arn   = "arn:${local.partition}:cloudtrail:${local.region}:${local.account_id}:trail/${local.name}"
  # Of the buckets only the one of this account: data events of others can't be recorded here.
  watched = { log = [var.bucket], replica = compact([var.replica_bucket]), management = [] }[var.account]
}

resource "aws_s3_bucket" "trail" {
  count = local.makes_trail ? 1 : 0

  bucket              = var.trail_bucket
  object_lock_enabled = true
  force_destroy       = false
  tags                = merge(var.tags, { "indelible:protected" = "trail" })

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "trail" {
  count = local.makes_trail ? 1 : 0

  bucket = aws_s3_bucket.trail[0].bucket

  versioning_configuration {
    status = "Enabled"
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_object_lock_configuration" "trail" {
  count = local.makes_trail ? 1 : 0

  bucket = aws_s3_bucket_versioning.trail[0].bucket

  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = var.trail_retention_days
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "trail" {
  count = local.makes_trail ? 1 : 0

  bucket = aws_s3_bucket.trail[0].bucket

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.alarms.arn
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "trail" {
  count = local.makes_trail ? 1 : 0

  bucket                  = aws_s3_bucket.trail[0].bucket
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_policy" "trail" {
  count = local.makes_trail ? 1 : 0

  bucket = aws_s3_bucket.trail[0].bucket

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TheTrailLooks"
        Effect    = "Allow"
        Principal = { Service = "cloudtrail.amazonaws.com" }
        Action    = "s3:GetBucketAcl"
        Resource  = aws_s3_bucket.trail[0].arn
        Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
      },
      {
        Sid       = "TheTrailWrites"
        Effect    = "Allow"
        Principal = { Service = "cloudtrail.amazonaws.com" }
        Action    = "s3:PutObject"
        Resource  = "${aws_s3_bucket.trail[0].arn}/AWSLogs/${local.account_id}/*"
        Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn, "s3:x-amz-acl" = "bucket-owner-full-control" } }
      },
      {
        Sid       = "NobodyDeletes"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention", "s3:DeleteBucket"]
        Resource  = [aws_s3_bucket.trail[0].arn, "${aws_s3_bucket.trail[0].arn}/*"]
      },
      {
        Sid       = "OnlyOverTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.trail[0].arn, "${aws_s3_bucket.trail[0].arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })

  depends_on = [aws_s3_bucket_public_access_block.trail, aws_s3_bucket_object_lock_configuration.trail]

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_cloudtrail" "alarms" {
  count = local.makes_trail ? 1 : 0

  name                          = local.name
  s3_bucket_name                = aws_s3_bucket_policy.trail[0].bucket
  kms_key_id                    = aws_kms_key.alarms.arn
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true
  enable_logging                = true
  tags                          = merge(var.tags, { "indelible:protected" = "trail" })

  advanced_event_selector {
    name = "management"

    field_selector {
      field  = "eventCategory"
      equals = ["Management"]
    }
  }

  dynamic "advanced_event_selector" {
    for_each = length(local.watched) > 0 ? [local.watched] : []

    content {
      name = "writes-to-the-log"

      field_selector {
        field  = "eventCategory"
        equals = ["Data"]
      }

      field_selector {
        field  = "resources.type"
        equals = ["AWS::S3::Object"]
      }

      # Reads are many, and remove nothing.
      field_selector {
        field  = "readOnly"
        equals = ["false"]
      }

      field_selector {
        field       = "resources.ARN"
        starts_with = [for bucket in advanced_event_selector.value : "arn:${local.partition}:s3:::${bucket}/"]
      }
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}
