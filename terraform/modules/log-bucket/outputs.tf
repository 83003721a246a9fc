output "bucket" {
  description = "Name of the bucket, once all that protects it is in place."
  value       = aws_s3_bucket.log.bucket
  depends_on  = [aws_s3_bucket_policy.log]
}

output "arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.log.arn
}

output "region" {
  description = "Region of the bucket."
  value       = data.aws_region.current.name
}

output "policy" {
  description = "The bucket's policy as it is applied."
  value       = aws_s3_bucket_policy.log.policy
}

output "kept_days" {
  description = "So long the log is meant to be kept. Nothing removes it then."
  value       = var.kept_days
}

output "service_settings" {
  description = "Settings of the service that go with this bucket."
  value = merge({
    INDELIBLE_STORE          = "s3"
    INDELIBLE_S3_BUCKET      = aws_s3_bucket.log.bucket
    INDELIBLE_S3_REGION      = data.aws_region.current.name
    INDELIBLE_RETENTION_MODE = lower(var.retention_mode)
    # More than the least the policy takes: what remains of a retention is counted in whole days.
    INDELIBLE_RETENTION_DAYS         = tostring(max(var.retention_days, var.min_retention_days + 1))
    INDELIBLE_ACKNOWLEDGE_COMPLIANCE = tostring(var.retention_mode == "COMPLIANCE")
  }, var.encryption == "aws:kms" ? { INDELIBLE_S3_KMS_KEY_ID = var.store_key_arn } : {})
}
