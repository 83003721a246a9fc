# What would be lost with each of these: the key that every locked object is read with, or the one that signs.

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

variables {
  name       = "audit-log"
  deployment = "audit.example.com"
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

run "keys_stay" {
  command = plan

  assert {
    condition     = aws_kms_key.signing.deletion_window_in_days == 30 && aws_kms_key.store[0].deletion_window_in_days == 30
    error_message = "A key could be gone before anybody has seen the alarm: the window is shorter than 30 days."
  }

  assert {
    condition     = aws_kms_key.signing.customer_master_key_spec == "ECC_NIST_P256" && aws_kms_key.signing.key_usage == "SIGN_VERIFY"
    error_message = "The service can't sign with this key."
  }

  assert {
    condition     = aws_kms_key.store[0].enable_key_rotation
    error_message = "The store's key is never rotated."
  }

  assert {
    condition = alltrue([for policy in [aws_kms_key.signing.policy, aws_kms_key.store[0].policy] : anytrue([for s in jsondecode(policy).Statement :
    s.Effect == "Deny" && !can(s.Condition) && length(setsubtract(["kms:ScheduleKeyDeletion", "kms:DisableKey"], flatten([s.Action]))) == 0])])
    error_message = "Somebody may delete or disable a key."
  }

  assert {
    condition = alltrue([for s in jsondecode(aws_kms_key.signing.policy).Statement : s.Effect == "Deny" || !contains(flatten([s.Action]), "kms:Sign") ||
    try(flatten([s.Condition.ArnEquals["aws:PrincipalArn"]]), []) == ["arn:aws:iam::111122223333:role/audit-log-writer"]])
    error_message = "Somebody but the writer may sign."
  }

  assert {
    condition     = aws_kms_alias.signing.name == "alias/audit-log-signing" && aws_kms_alias.store[0].name == "alias/audit-log-store"
    error_message = "The aliases are not the documented ones."
  }
}

run "no_store_key_where_s3_keys_are_used" {
  command = plan

  variables {
    store_key = false
  }

  assert {
    condition     = length(aws_kms_key.store) == 0 && output.store_key_arn == null
    error_message = "A key is made that nothing uses."
  }
}

run "refuses_bad_settings_first" {
  command = plan

  variables {
    # a name of aws
    name = "aws-log"
    # a role with a wildcard
    roles = {
      writer             = "arn:aws:iam::111122223333:role/*"
      mirror             = "arn:aws:iam::111122223333:role/audit-log-mirror"
      verifier           = "arn:aws:iam::111122223333:role/audit-log-verifier"
      retention_extender = "arn:aws:iam::111122223333:role/audit-log-retention-extender"
      hold_manager       = "arn:aws:iam::111122223333:role/audit-log-hold-manager"
      replication        = "arn:aws:iam::111122223333:role/audit-log-replication"
      pipeline           = "arn:aws:iam::111122223333:role/audit-log-pipeline"
    }
  }

  expect_failures = [var.name, var.roles]
}

run "refuses_bad_settings_second" {
  command = plan

  variables {
    # a name in capitals
    name = "AuditLog"
    # one role with two duties
    roles = {
      writer             = "arn:aws:iam::111122223333:role/audit-log-pipeline"
      mirror             = "arn:aws:iam::111122223333:role/audit-log-mirror"
      verifier           = "arn:aws:iam::111122223333:role/audit-log-verifier"
      retention_extender = "arn:aws:iam::111122223333:role/audit-log-retention-extender"
      hold_manager       = "arn:aws:iam::111122223333:role/audit-log-hold-manager"
      replication        = "arn:aws:iam::111122223333:role/audit-log-replication"
      pipeline           = "arn:aws:iam::111122223333:role/audit-log-pipeline"
    }
  }

  expect_failures = [var.name, var.roles]
}
