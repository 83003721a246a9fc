output "signing_key_arn" {
  description = "Variable signing_key_arn of the root service."
  value       = module.keys.signing_key_arn
}

output "store_key_arn" {
  description = "Variable store_key_arn of the root service."
  value       = module.keys.store_key_arn
}

output "service_settings" {
  description = "Settings of the service (docs/configuration.md)."
  value       = merge(module.log_bucket.service_settings, module.keys.service_settings)
}
