output "signing_key_arn" {
  description = "The key that signs. Its public half belongs to every verifier, from outside (docs/signing.md)."
  value       = aws_kms_key.signing.arn
}

output "store_key_arn" {
  description = "The key that objects are encrypted with; null without one."
  value       = one(aws_kms_key.store[*].arn)
}

output "service_settings" {
  description = "Settings of the service that go with these keys."
  value = {
    INDELIBLE_SIGNER     = "kms"
    INDELIBLE_KMS_KEY_ID = aws_kms_key.signing.arn
    INDELIBLE_KMS_REGION = data.aws_region.current.name
  }
}
