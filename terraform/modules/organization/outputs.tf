output "service_control_policy_id" {
  description = "Id of the service control policy."
  value       = aws_organizations_policy.service_control.id
}

output "resource_control_policy_id" {
  description = "Id of the resource control policy."
  value       = aws_organizations_policy.resource_control.id
}
