# Alarms on the alarms, and on replication: what CloudWatch counts and CloudTrail does not tell.
locals {
  playbook = { for alarm in local.all : alarm.name =>
  "${var.playbooks}${var.playbooks == "" ? alarm.playbook : trimprefix(alarm.playbook, "docs/playbooks/")}" }
}

# A rule that fires and can't deliver is as silent as one that was deleted.
resource "aws_cloudwatch_metric_alarm" "undelivered" {
  for_each = local.alarms

  alarm_name          = "${local.name}-${each.key}-undelivered"
  alarm_description   = "The alarm ${each.key} fired and reached nobody. What to do: ${local.playbook["alarm-tampering"]}"
  namespace           = "AWS/Events"
  metric_name         = "FailedInvocations"
  dimensions          = { RuleName = aws_cloudwatch_event_rule.alarm[each.key].name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  tags                = merge(var.tags, { "indelible:protected" = "alarm" })

  lifecycle {
    prevent_destroy = true
  }
}

locals {
  replication = var.replication_rule_id == null ? {} : {
    failed = { metric = "OperationsFailedReplication", statistic = "Sum", threshold = 0, summary = "S3 could not copy objects to the replica bucket; it does not try again" }
    late   = { metric = "ReplicationLatency", statistic = "Maximum", threshold = 900, summary = "Copies in the replica bucket are more than 15 minutes late" }
  }
}

resource "aws_cloudwatch_metric_alarm" "replication" {
  for_each = local.replication

  alarm_name          = "${local.name}-replication-${each.key}"
  alarm_description   = "${each.value.summary}. What to do: ${local.playbook["replica-differs"]}"
  namespace           = "AWS/S3"
  metric_name         = each.value.metric
  dimensions          = { SourceBucket = var.bucket, DestinationBucket = var.replica_bucket, RuleId = var.replication_rule_id }
  statistic           = each.value.statistic
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  tags                = merge(var.tags, { "indelible:protected" = "alarm" })

  lifecycle {
    prevent_destroy = true
  }
}
