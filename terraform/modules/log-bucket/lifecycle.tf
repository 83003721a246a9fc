# Lifecycle acts with S3's own rights: no bucket policy stops it, and an expiration would put a delete marker on every
# object. So: objects of the log only move to colder classes, and rules filter by prefix, never by a tag, which
# whoever may tag objects could set.
resource "aws_s3_bucket_lifecycle_configuration" "log" {
  bucket = aws_s3_bucket_versioning.log.bucket
  # Smaller objects cost more in a cold class than in Standard.
  transition_default_minimum_object_size = "all_storage_classes_128K"

  # Only chains/: keys/ and deployment.json are read at every start.
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

  # What the trials of each start leave behind; no entry is ever stored there. S3 removes a version only once its
  # retention has ended.
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
