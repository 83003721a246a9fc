output "bucket" {
  description = "Name of the replica bucket, once all that protects it is in place."
  value       = aws_s3_bucket.replica.bucket
  depends_on  = [aws_s3_bucket_policy.replica]
}

output "arn" {
  description = "ARN of the replica bucket."
  value       = aws_s3_bucket.replica.arn
}

output "region" {
  description = "Region of the replica bucket."
  value       = data.aws_region.replica.name
}

output "account_id" {
  description = "Account of the replica bucket."
  value       = data.aws_caller_identity.replica.account_id
}

output "key_arn" {
  description = "Key that encrypts the copies: the replication role (or mirror) and the verifier need rights on it."
  value       = aws_kms_key.replica.arn
}

output "policy" {
  description = "The bucket's policy as it is applied."
  value       = aws_s3_bucket_policy.replica.policy
}

output "verifier_settings" {
  description = "Settings of who verifies the replica (indelible verify --replica, --against-replica)."
  value       = local.settings
}

output "service_settings" {
  description = "Settings of the service that go with this bucket. Where S3 copies, the service reads and compares, and writes nothing there: the bucket refuses all but replication."
  value       = merge(local.settings, { INDELIBLE_S3_REPLICA_COPIED_BY = var.copied_by == "s3" ? "provider" : "service" })
}

locals {
  settings = {
    INDELIBLE_S3_REPLICA_BUCKET = aws_s3_bucket.replica.bucket
    INDELIBLE_S3_REPLICA_REGION = data.aws_region.replica.name
  }
}
