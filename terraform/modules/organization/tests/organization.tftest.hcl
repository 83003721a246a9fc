# What would be lost with each of these: that not even root in the log's accounts can remove it.

mock_provider "aws" {
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
  name                  = "audit-log"
  deployment            = "audit.example.com"
  organization_id       = "o-exampleorg1"
  management_account_id = "777788889999"
  target_ids            = ["ou-ab12-abcdefgh", "111122223333"]
  log_bucket_prefix     = "audit-log-"
  pipeline_role_arn     = "arn:aws:iam::*:role/audit-log-pipeline"
  roles = {
    writer             = "arn:aws:iam::111122223333:role/audit-log-writer"
    mirror             = "arn:aws:iam::111122223333:role/audit-log-mirror"
    verifier           = "arn:aws:iam::111122223333:role/audit-log-verifier"
    retention_extender = "arn:aws:iam::111122223333:role/audit-log-retention-extender"
    hold_manager       = "arn:aws:iam::111122223333:role/audit-log-hold-manager"
    replication        = "arn:aws:iam::111122223333:role/audit-log-replication"
  }
}

run "both_policies_bind_each_account" {
  command = plan

  assert {
    condition     = aws_organizations_policy.service_control.type == "SERVICE_CONTROL_POLICY" && aws_organizations_policy.resource_control.type == "RESOURCE_CONTROL_POLICY"
    error_message = "A policy has the wrong type: it would not be evaluated."
  }

  assert {
    condition     = toset(keys(aws_organizations_policy_attachment.service_control)) == toset(["111122223333", "ou-ab12-abcdefgh"]) && toset(keys(aws_organizations_policy_attachment.resource_control)) == toset(["111122223333", "ou-ab12-abcdefgh"])
    error_message = "A policy is not attached to each target."
  }

  assert {
    condition     = alltrue([for policy in [aws_organizations_policy.service_control, aws_organizations_policy.resource_control] : alltrue([for s in jsondecode(policy.content).Statement : s.Effect == "Deny"])])
    error_message = "A policy of the organization allows something."
  }

  assert {
    condition = anytrue([for s in jsondecode(aws_organizations_policy.service_control.content).Statement : !can(s.Condition) && contains(flatten([s.Resource]), "arn:aws:s3:::audit-log-*/*") &&
    length(setsubtract(["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"], flatten([s.Action]))) == 0])
    error_message = "Somebody in the log's accounts, the pipeline perhaps, may delete objects."
  }

  assert {
    condition     = strcontains(aws_organizations_policy.service_control.content, "kms:ScheduleKeyDeletion") && strcontains(aws_organizations_policy.resource_control.content, "kms:ScheduleKeyDeletion")
    error_message = "Somebody may delete a key."
  }
}

run "refuses_policies_longer_than_aws_takes" {
  command = plan

  variables {
    log_bucket_prefix = "audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-audit-log-"
  }

  expect_failures = [aws_organizations_policy.service_control, aws_organizations_policy.resource_control]
}

run "refuses_bad_settings_first" {
  command = plan

  variables {
    # to bind nothing
    target_ids = []
    # an id of no organization
    organization_id = "exampleorg"
    # a prefix that covers everything
    log_bucket_prefix = ""
    # a pipeline with a wildcard
    pipeline_role_arn = "arn:aws:iam::*:role/*"
    # a role with a wildcard
    roles = {
      writer             = "arn:aws:iam::111122223333:role/*"
      mirror             = "arn:aws:iam::111122223333:role/audit-log-mirror"
      verifier           = "arn:aws:iam::111122223333:role/audit-log-verifier"
      retention_extender = "arn:aws:iam::111122223333:role/audit-log-retention-extender"
      hold_manager       = "arn:aws:iam::111122223333:role/audit-log-hold-manager"
      replication        = "arn:aws:iam::111122223333:role/audit-log-replication"
    }
  }

  expect_failures = [var.log_bucket_prefix, var.organization_id, var.pipeline_role_arn, var.roles, var.target_ids]
}

run "refuses_the_root_of_the_organization" {
  command = plan

  variables {
    target_ids = ["r-ab12"]
  }

  expect_failures = [var.target_ids]
}

run "refuses_the_management_account" {
  command = plan

  variables {
    target_ids = ["777788889999"]
  }

  expect_failures = [var.management_account_id]
}
