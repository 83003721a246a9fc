# copied_by = "s3": replicas bring the lock of their source. Deletions are not replicated: that of a version never is,
# and delete markers are switched off.
resource "aws_s3_bucket_replication_configuration" "log" {
  count    = var.copied_by == "s3" ? 1 : 0
  provider = aws.primary

  bucket = var.source_bucket
  role   = var.roles.replication

  rule {
    id       = "copy-everything"
    priority = 1
    status   = "Enabled"

    # No prefix and no tag: there is nothing in the bucket that has no copy.
    filter {}

    delete_marker_replication {
      status = "Disabled"
    }

    source_selection_criteria {
      sse_kms_encrypted_objects {
        status = "Enabled"
      }
    }

    destination {
      bucket        = aws_s3_bucket.replica.arn
      account       = data.aws_caller_identity.replica.account_id
      storage_class = "STANDARD"

      # The copy belongs to the replica's account, or the log's account would own it.
      access_control_translation {
        owner = "Destination"
      }

      encryption_configuration {
        replica_kms_key_id = aws_kms_key.replica.arn
      }

      # With these S3 reports what it has not copied within 15 minutes, and what it could not copy.
      metrics {
        status = "Enabled"

        event_threshold {
          minutes = 15
        }
      }

      replication_time {
        status = "Enabled"

        time {
          minutes = 15
        }
      }
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [
    aws_s3_bucket_versioning.replica,
    aws_s3_bucket_object_lock_configuration.replica,
    aws_s3_bucket_policy.replica,
  ]
}
