# What a policy can't forbid must at least be heard. One EventBridge rule an alarm of policies/alarms.json, each with the
# page that says what to do. Alarms whose source is Prometheus are rules of docs/monitoring/alerts.yml.

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}
data "aws_partition" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.name
  all = jsondecode(templatefile("${path.module}/../../../policies/alarms.json", {
    bucket                      = var.bucket
    replica_bucket              = var.replica_bucket == null ? "${var.bucket}-replica" : var.replica_bucket
    deployment                  = var.deployment
    account_id                  = local.account_id
    region                      = local.region
    partition                   = local.partition
    writer_role_arn             = var.roles.writer
    mirror_role_arn             = var.roles.mirror
    verifier_role_arn           = var.roles.verifier
    retention_extender_role_arn = var.roles.retention_extender
    hold_manager_role_arn       = var.roles.hold_manager
    replication_role_arn        = var.roles.replication
    pipeline_role_arn           = var.roles.pipeline
  })).alarms
  # Each alarm belongs to some accounts, and to us-east-1 or to the log's region.
  alarms = { for alarm in local.all : alarm.name => alarm
  if alarm.source == "cloudtrail" && try(contains(alarm.accounts, var.account) && alarm.scope == var.scope, false) }
  name = "${var.name}-${var.account}-${var.scope}"
}

resource "aws_cloudwatch_event_rule" "alarm" {
  for_each = local.alarms

  name          = "${local.name}-${each.key}"
  description   = each.value.summary
  event_pattern = jsonencode(each.value.pattern)
  state         = "ENABLED"
  tags          = merge(var.tags, { "indelible:protected" = "alarm" })

  lifecycle {
    prevent_destroy = true

    precondition {
      condition     = var.scope != "global" || local.region == "us-east-1"
      error_message = "scope: IAM and the organization report to us-east-1 alone, and the provider works in ${local.region}. Give the module a provider of us-east-1, or set scope = \"regional\"."
    }
  }
}

resource "aws_cloudwatch_event_target" "alarm" {
  for_each = local.alarms

  rule      = aws_cloudwatch_event_rule.alarm[each.key].name
  target_id = "people"
  arn       = aws_sns_topic.alarms.arn

  input_transformer {
    input_paths = {
      account = "$.account"
      error   = "$.detail.errorCode"
      event   = "$.detail.eventName"
      from    = "$.detail.sourceIPAddress"
      id      = "$.detail.eventID"
      region  = "$.region"
      time    = "$.time"
      who     = "$.detail.userIdentity.arn"
    }
    # No jsonencode: it would escape the angle brackets, which EventBridge looks for.
    input_template = join("\n", [
      "\"${upper(each.value.severity)}: ${each.key} (audit log ${var.deployment})\"",
      "\"${each.value.summary}\"",
      "\"<event> by <who> from <from> at <time>, account <account>, region <region>, event <id>. Answered: <error>\"",
      "\"What to do: ${var.playbooks}${var.playbooks == "" ? each.value.playbook : trimprefix(each.value.playbook, "docs/playbooks/")}\"",
    ])
  }

  lifecycle {
    prevent_destroy = true
  }
}
