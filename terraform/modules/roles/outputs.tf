output "arns" {
  description = "ARN of each role by duty."
  value       = { for duty, role in aws_iam_role.duty : duty => role.arn }
}

output "policies" {
  description = "Policy of each role by duty, as it is applied."
  value       = { for duty, policy in aws_iam_role_policy.duty : duty => policy.policy }
}
