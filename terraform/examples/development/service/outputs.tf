output "role_arns" {
  description = "The roles by duty."
  value       = module.roles.arns
}

output "alarm_topic_arns" {
  description = "Where alarms go."
  value       = [module.alarms.topic_arn, module.alarms_global.topic_arn]
}

output "service_settings" {
  description = "Settings of the service (docs/configuration.md)."
  value       = module.mirror.service_settings
}
