output "role_arns" {
  description = "The roles by duty."
  value       = module.roles.arns
}

output "alarm_topic_arns" {
  description = "Where alarms go, by account and scope."
  value = {
    log            = module.alarms.topic_arn
    log_global     = module.alarms_global.topic_arn
    replica        = module.alarms_replica.topic_arn
    replica_global = module.alarms_replica_global.topic_arn
    management     = module.alarms_management.topic_arn
  }
}

output "service_settings" {
  description = "Settings of the service (docs/configuration.md)."
  value       = module.mirror.service_settings
}
