# What would be lost with each of these: the second copy, together with the first.

mock_provider "aws" {
  alias = "primary"

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
  alias = "replica"
  # The policy names the key, whose ARN would only be known once it is made.
  override_during = plan

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-west-1:444455556666:key/0c" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::audit-log-example-replica" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "444455556666" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  bucket             = "audit-log-example-replica"
  source_bucket      = "audit-log-example"
  log_bucket_prefix  = "audit-log-"
  deployment         = "audit.example.com"
  copied_by          = "s3"
  retention_mode     = "GOVERNANCE"
  retention_days     = 30
  min_retention_days = 29
  max_retention_days = 60
  roles = {
    writer             = "arn:aws:iam::111122223333:role/audit-log-writer"
    mirror             = "arn:aws:iam::111122223333:role/audit-log-mirror"
    verifier           = "arn:aws:iam::111122223333:role/audit-log-verifier"
    retention_extender = "arn:aws:iam::111122223333:role/audit-log-retention-extender"
    hold_manager       = "arn:aws:iam::111122223333:role/audit-log-hold-manager"
    replication        = "arn:aws:iam::111122223333:role/audit-log-replication"
    pipeline           = "arn:aws:iam::444455556666:role/audit-log-pipeline"
  }
}

run "s3_copies_with_locks_and_without_deletions" {
  command = plan

  assert {
    condition     = aws_s3_bucket.replica.object_lock_enabled && !aws_s3_bucket.replica.force_destroy && aws_s3_bucket_versioning.replica.versioning_configuration[0].status == "Enabled"
    error_message = "The replica bucket has no Object Lock, or a destroy would delete what is in it."
  }

  assert {
    condition     = one(aws_s3_bucket_object_lock_configuration.replica.rule[0].default_retention).mode == "GOVERNANCE" && one(aws_s3_bucket_object_lock_configuration.replica.rule[0].default_retention).days == 30
    error_message = "The default retention is not the one that was asked for."
  }

  assert {
    condition     = output.service_settings.INDELIBLE_S3_REPLICA_COPIED_BY == "provider" && output.verifier_settings.INDELIBLE_S3_REPLICA_BUCKET == "audit-log-example-replica"
    error_message = "The service would try to write where only replication may, and say degraded for ever."
  }

  assert {
    condition     = aws_s3_bucket_replication_configuration.log[0].bucket == "audit-log-example" && aws_s3_bucket_replication_configuration.log[0].rule[0].status == "Enabled"
    error_message = "The log bucket is not replicated."
  }

  assert {
    condition     = aws_s3_bucket_replication_configuration.log[0].rule[0].delete_marker_replication[0].status == "Disabled"
    error_message = "Delete markers would be copied: who hides an entry in one bucket would hide it in both."
  }

  assert {
    condition     = aws_s3_bucket_replication_configuration.log[0].rule[0].destination[0].metrics[0].status == "Enabled"
    error_message = "Nobody would hear of copies that fail: failure events need metrics."
  }

  assert {
    condition     = aws_s3_bucket_replication_configuration.log[0].rule[0].destination[0].account == "444455556666" && aws_s3_bucket_replication_configuration.log[0].rule[0].destination[0].access_control_translation[0].owner == "Destination"
    error_message = "The log's account would own the copies."
  }

  assert {
    condition     = aws_s3_bucket_replication_configuration.log[0].rule[0].source_selection_criteria[0].sse_kms_encrypted_objects[0].status == "Enabled"
    error_message = "Encrypted objects, which is all of them, would not be copied."
  }

  assert {
    condition = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.replica.rule :
    rule.filter[0].prefix == "_self-test/" || length(rule.expiration) == 0 && length(rule.noncurrent_version_expiration) == 0])
    error_message = "A rule outside _self-test/ expires copies."
  }

  assert {
    condition     = alltrue([for name in ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"] : aws_s3_bucket_public_access_block.replica[name]]) && aws_s3_bucket_ownership_controls.replica.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "The replica bucket could be made public."
  }

  assert {
    condition     = aws_kms_key.replica.deletion_window_in_days == 30 && aws_kms_key.replica.enable_key_rotation
    error_message = "The copies' key could be gone within days."
  }

  assert {
    condition     = alltrue([for s in jsondecode(output.policy).Statement : s.Effect == "Deny" || !contains(flatten([try(s.Action, [])]), "s3:PutObject")])
    error_message = "Somebody but S3's replication may write copies."
  }

  assert {
    condition     = anytrue([for s in jsondecode(output.policy).Statement : s.Effect == "Deny" && contains(flatten([try(s.Action, [])]), "s3:PutObject") && !can(s.Condition)])
    error_message = "PutObject is not denied to all."
  }

  assert {
    condition     = anytrue([for s in jsondecode(output.policy).Statement : s.Effect == "Deny" && !can(s.Condition) && length(setsubtract(["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"], flatten([try(s.Action, [])]))) == 0])
    error_message = "Somebody may delete a copy or set its lock aside."
  }
}

run "indelible_copies_and_s3_does_not" {
  command = plan

  variables {
    copied_by = "indelible"
  }

  assert {
    condition     = length(aws_s3_bucket_replication_configuration.log) == 0
    error_message = "S3 replicates, too: its copies would be second versions beside those of the service."
  }

  assert {
    condition     = output.service_settings.INDELIBLE_S3_REPLICA_BUCKET == "audit-log-example-replica" && output.service_settings.INDELIBLE_S3_REPLICA_COPIED_BY == "service"
    error_message = "The service would copy nowhere, or leave the copying to others."
  }
}

run "refuses_bad_settings_first" {
  command = plan

  variables {
    # compliance without the acknowledgement
    retention_mode = "COMPLIANCE"
    # retention over the maximum
    retention_days = 61
    # a name with dots
    bucket = "audit-log-example.com"
    # another way of copying
    copied_by = "hand"
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
    # deep archive while copies have to be at hand
    deep_archive_after_days = 2556
    # instant retrieval after the time at hand
    standard_days = 2557
  }

  expect_failures = [var.bucket, var.copied_by, var.deep_archive_after_days, var.retention_days, var.retention_mode, var.roles, var.standard_days]
}

run "refuses_bad_settings_second" {
  command = plan

  variables {
    # an unknown mode
    retention_mode = "LOCKED"
    # retention under the minimum
    retention_days = 28
    # a name outside the prefix
    bucket = "example-replica"
    # one role with two duties
    roles = {
      writer             = "arn:aws:iam::111122223333:role/audit-log-mirror"
      mirror             = "arn:aws:iam::111122223333:role/audit-log-mirror"
      verifier           = "arn:aws:iam::111122223333:role/audit-log-verifier"
      retention_extender = "arn:aws:iam::111122223333:role/audit-log-retention-extender"
      hold_manager       = "arn:aws:iam::111122223333:role/audit-log-hold-manager"
      replication        = "arn:aws:iam::111122223333:role/audit-log-replication"
      pipeline           = "arn:aws:iam::111122223333:role/audit-log-pipeline"
    }
    # less than two years at hand
    at_hand_days = 365
  }

  expect_failures = [var.at_hand_days, var.bucket, var.retention_days, var.retention_mode, var.roles]
}

run "refuses_bad_settings_third" {
  command = plan

  variables {
    # no retention
    retention_days     = 0
    min_retention_days = 1
    # a prefix that covers everything
    log_bucket_prefix = "a"
  }

  expect_failures = [var.log_bucket_prefix, var.retention_days]
}

run "refuses_no_minimum" {
  command = plan

  variables {
    min_retention_days = 0
  }

  expect_failures = [var.min_retention_days]
}

run "refuses_a_maximum_below_the_minimum" {
  command = plan

  variables {
    retention_days     = 10
    min_retention_days = 10
    max_retention_days = 10
  }

  expect_failures = [var.max_retention_days]
}

run "refuses_more_than_a_hundred_years" {
  command = plan

  variables {
    max_retention_days = 36501
  }

  expect_failures = [var.max_retention_days]
}
