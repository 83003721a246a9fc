# What would be lost with each of these: that anybody hears of an attempt to remove the log.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

mock_provider "aws" {
  alias = "global"

  mock_data "aws_caller_identity" {
    defaults = { account_id = "777788889999" }
  }
  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  name         = "audit-log"
  deployment   = "audit.example.com"
  account      = "log"
  scope        = "regional"
  bucket       = "audit-log-example"
  trail_bucket = "audit-trail-example"
  subscribers  = [{ protocol = "email", endpoint = "audit@example.com" }]
  roles = {
    writer             = "arn:aws:iam::111122223333:role/audit-log-writer"
    mirror             = "arn:aws:iam::111122223333:role/audit-log-mirror"
    verifier           = "arn:aws:iam::111122223333:role/audit-log-verifier"
    retention_extender = "arn:aws:iam::111122223333:role/audit-log-retention-extender"
    hold_manager       = "arn:aws:iam::111122223333:role/audit-log-hold-manager"
    replication        = "arn:aws:iam::111122223333:role/audit-log-replication"
    pipeline           = "arn:aws:iam::111122223333:role/audit-log-pipeline"
  }
}

run "each_attempt_is_heard" {
  command = plan

  assert {
    condition     = toset(output.alarms) == toset([for a in jsondecode(file("../../../policies/alarms.json")).alarms : a.name if a.source == "cloudtrail" && try(contains(a.accounts, "log") && a.scope == "regional", false)])
    error_message = "An alarm of policies/alarms.json is not made."
  }

  assert {
    condition     = contains(output.alarms, "object-removal-attempt") && contains(output.alarms, "alarm-tampering") && alltrue([for rule in aws_cloudwatch_event_rule.alarm : rule.state == "ENABLED"])
    error_message = "An alarm is missing or off."
  }

  assert {
    condition     = strcontains(aws_cloudwatch_event_rule.alarm["object-removal-attempt"].event_pattern, "DeleteObjects") && strcontains(aws_cloudwatch_event_rule.alarm["object-removal-attempt"].event_pattern, "audit-log-example")
    error_message = "The alarm on removal attempts listens to something else."
  }

  assert {
    condition     = alltrue([for name, target in aws_cloudwatch_event_target.alarm : strcontains(one(target.input_transformer).input_template, "docs/playbooks/${name}.md") && strcontains(one(target.input_transformer).input_template, "<who>")])
    error_message = "An alarm does not name its page, or who did it."
  }

  assert {
    condition = anytrue([for s in jsondecode(aws_kms_key.alarms.policy).Statement : try(s.Principal.Service, "") == "events.amazonaws.com" && !can(s.Condition) &&
    length(setsubtract(["kms:Decrypt", "kms:GenerateDataKey*"], flatten([s.Action]))) == 0])
    error_message = "Rules could not encrypt for the topic: every alarm would be dropped in silence."
  }

  assert {
    condition     = aws_cloudtrail.alarms[0].is_multi_region_trail && aws_cloudtrail.alarms[0].enable_log_file_validation && aws_cloudtrail.alarms[0].enable_logging
    error_message = "The trail does not see every region, or its files prove nothing."
  }

  assert {
    condition     = strcontains(jsonencode([for selector in aws_cloudtrail.alarms[0].advanced_event_selector : [for field in selector.field_selector : field.starts_with]]), "arn:aws:s3:::audit-log-example/")
    error_message = "What is done to objects of the log is not recorded."
  }

  assert {
    condition     = aws_s3_bucket.trail[0].object_lock_enabled && one(aws_s3_bucket_object_lock_configuration.trail[0].rule[0].default_retention).days == 400
    error_message = "The trail's own files can be deleted."
  }

  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.undelivered)) == toset(output.alarms) && length(aws_cloudwatch_metric_alarm.replication) == 0
    error_message = "An alarm that can't be delivered is silent."
  }
}

run "pages_are_named_where_they_are_published" {
  command = plan

  variables {
    playbooks           = "https://wiki.example.com/audit/"
    replica_bucket      = "audit-log-example-replica"
    replication_rule_id = "copy-everything"
  }

  assert {
    condition     = strcontains(one(aws_cloudwatch_event_target.alarm["retention-change"].input_transformer).input_template, "https://wiki.example.com/audit/retention-change.md")
    error_message = "The page can't be opened from the message."
  }

  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.replication)) == toset(["failed", "late"])
    error_message = "Copies that fail or are late raise no alarm."
  }
}

run "the_organization_is_watched_from_its_own_account" {
  command   = plan
  providers = { aws = aws.global }

  variables {
    account = "management"
    scope   = "global"
  }

  assert {
    condition     = output.alarms == ["organization-change"] && length(aws_cloudtrail.alarms[0].advanced_event_selector) == 1
    error_message = "Nobody hears of a detached policy."
  }
}

run "refuses_iam_outside_us_east_1" {
  command = plan

  variables {
    scope = "global"
  }

  expect_failures = [aws_cloudwatch_event_rule.alarm]
}

run "refuses_bad_settings_first" {
  command = plan

  variables {
    # an alarm that reaches nobody
    subscribers = []
    # pages without tls
    playbooks = "http://wiki.example.com/"
    # no trail
    trail_bucket = null
    # a trail that is not locked
    trail_retention_days = 0
    # replication to nowhere
    replication_rule_id = "copy-everything"
    # an account that is none
    account = "other"
    # a name in capitals
    name = "AuditLog"
  }

  expect_failures = [var.account, var.name, var.playbooks, var.replication_rule_id, var.subscribers, var.trail_bucket, var.trail_retention_days]
}

run "refuses_bad_settings_second" {
  command = plan

  variables {
    # an alarm in clear
    subscribers = [{ protocol = "http", endpoint = "http://pager.example.com" }]
    # two trails
    trail_name = "all"
    # a scope that is none
    scope = "local"
  }

  expect_failures = [var.scope, var.subscribers, var.trail_bucket]
}

run "refuses_bad_settings_third" {
  command = plan

  variables {
    # a trail into the log
    trail_bucket = "audit-log-example"
    # the organization in a region
    account = "management"
  }

  expect_failures = [var.scope, var.trail_bucket]
}
