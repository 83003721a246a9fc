output "topic_arn" {
  description = "Topic that all alarms of this account and scope go to."
  value       = aws_sns_topic.alarms.arn
}

output "trail_name" {
  description = "The trail that feeds the alarms."
  value       = local.makes_trail ? aws_cloudtrail.alarms[0].name : var.trail_name
}

output "alarms" {
  description = "Names of the alarms that are watched here."
  value       = keys(local.alarms)
}
