# What would be lost with each of these: a log that somebody may delete, or a test bucket that nobody may.

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
  bucket             = "audit-log-example"
  log_bucket_prefix  = "audit-log-"
  deployment         = "audit.example.com"
  retention_mode     = "GOVERNANCE"
  retention_days     = 30
  min_retention_days = 29
  max_retention_days = 60
  store_key_arn      = "arn:aws:kms:eu-central-1:111122223333:key/0a"
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

run "objects_are_locked_tiered_private_and_never_ended" {
  command = plan

  assert {
    condition     = aws_s3_bucket.log.object_lock_enabled && !aws_s3_bucket.log.force_destroy
    error_message = "The bucket has no Object Lock, or a destroy would delete what is in it."
  }

  assert {
    condition     = aws_s3_bucket_versioning.log.versioning_configuration[0].status == "Enabled"
    error_message = "Without versions Object Lock holds nothing."
  }

  assert {
    condition     = one(aws_s3_bucket_object_lock_configuration.log.rule[0].default_retention).mode == "GOVERNANCE" && one(aws_s3_bucket_object_lock_configuration.log.rule[0].default_retention).days == 30
    error_message = "The default retention is not the one that was asked for."
  }

  assert {
    condition     = output.service_settings.INDELIBLE_RETENTION_DAYS == "30" && output.service_settings.INDELIBLE_RETENTION_MODE == "governance"
    error_message = "The service would write another retention than the bucket expects."
  }

  assert {
    condition = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.log.rule :
    rule.filter[0].prefix == "_self-test/" || length(rule.expiration) == 0 && length(rule.noncurrent_version_expiration) == 0])
    error_message = "A rule outside _self-test/ expires objects: it would put a delete marker on every entry."
  }

  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.log.rule : length(rule.filter[0].tag) == 0 && length(rule.filter[0].and) == 0])
    error_message = "A rule filters by tags, which whoever may tag could set."
  }

  assert {
    condition = { for tier in flatten([for rule in aws_s3_bucket_lifecycle_configuration.log.rule : [for t in rule.transition : t] if rule.id == "tier-chains"]) : tier.storage_class => tier.days } == {
    GLACIER_IR = 90, DEEP_ARCHIVE = 2557 }
    error_message = "The log is not at hand for seven years and cold afterwards."
  }

  assert {
    condition     = output.kept_days == 5479
    error_message = "The log is not meant to be kept for fifteen years."
  }

  assert {
    condition     = alltrue([for name in ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"] : aws_s3_bucket_public_access_block.log[name]])
    error_message = "The bucket could be made public."
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.log.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "An ACL could give rights away."
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.log.rule).apply_server_side_encryption_by_default).kms_master_key_id == var.store_key_arn
    error_message = "Objects are not encrypted with the store's key."
  }

  assert {
    condition     = alltrue([for s in jsondecode(output.policy).Statement : s.Effect == "Deny"])
    error_message = "The bucket's policy gives a right."
  }

  assert {
    condition = anytrue([for s in jsondecode(output.policy).Statement : s.Effect == "Deny" && s.Principal == "*" && !can(s.Condition) && try(s.Resource, "") == "arn:aws:s3:::audit-log-example/*" &&
    length(setsubtract(["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"], flatten([try(s.Action, [])]))) == 0])
    error_message = "Somebody may delete an object or set a lock aside."
  }

  assert {
    condition = anytrue([for s in jsondecode(output.policy).Statement : contains(flatten([try(s.Action, [])]), "s3:PutObject") &&
    try(s.Condition.NumericLessThan["s3:object-lock-remaining-retention-days"], "") == "29"])
    error_message = "An object with too short a retention is taken."
  }

  assert {
    condition = anytrue([for s in jsondecode(output.policy).Statement : contains(flatten([try(s.Action, [])]), "s3:PutObject") &&
    try(s.Condition.NumericGreaterThan["s3:object-lock-remaining-retention-days"], "") == "60"])
    error_message = "An object may be locked for longer than the maximum."
  }
}

run "s3_keys_where_they_are_chosen" {
  command = plan

  variables {
    encryption    = "AES256"
    store_key_arn = null
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.log.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256" && !can(output.service_settings.INDELIBLE_S3_KMS_KEY_ID)
    error_message = "The bucket does not use S3's own keys."
  }
}

run "compliance_with_the_acknowledgement" {
  command = plan

  variables {
    retention_mode                          = "COMPLIANCE"
    i_understand_compliance_is_irreversible = true
  }

  assert {
    condition     = output.service_settings.INDELIBLE_ACKNOWLEDGE_COMPLIANCE == "true" && anytrue([for s in jsondecode(output.policy).Statement : try(s.Condition.StringNotEquals["s3:object-lock-mode"], "") == "COMPLIANCE"])
    error_message = "The service or the policy does not know of COMPLIANCE."
  }
}

run "refuses_kms_without_a_key" {
  command = plan
  variables { store_key_arn = null }
  expect_failures = [aws_s3_bucket.log]
}

run "refuses_an_alias_as_the_key" {
  command = plan
  variables { store_key_arn = "arn:aws:kms:eu-central-1:111122223333:alias/audit-log-store" }
  expect_failures = [aws_s3_bucket.log]
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
    # deep archive while the log has to be at hand
    deep_archive_after_days = 2556
    # another encryption
    encryption = "none"
  }

  expect_failures = [var.bucket, var.deep_archive_after_days, var.encryption, var.retention_days, var.retention_mode, var.roles]
}

run "refuses_bad_settings_second" {
  command = plan

  variables {
    # an unknown mode
    retention_mode = "governance"
    # retention under the minimum
    retention_days = 28
    # a name in capitals
    bucket = "audit-log-Example"
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
    # less than two years at hand
    at_hand_days = 365
  }

  expect_failures = [var.at_hand_days, var.bucket, var.retention_days, var.retention_mode, var.roles]
}

run "refuses_bad_settings_third" {
  command = plan

  variables {
    # half a day
    retention_days = 29.5
    # a name outside the prefix
    bucket = "example-audit-log"
    # instant retrieval in the hot window
    standard_days = 30
  }

  expect_failures = [var.bucket, var.retention_days, var.standard_days]
}

run "refuses_bad_settings_fourth" {
  command = plan

  variables {
    # no minimum
    min_retention_days = 0
    # a prefix that covers everything
    log_bucket_prefix = "a"
    # instant retrieval after the time at hand
    standard_days = 2557
  }

  expect_failures = [var.log_bucket_prefix, var.min_retention_days, var.standard_days]
}

run "refuses_bad_settings_fifth" {
  command = plan

  variables {
    # a maximum below the minimum
    retention_days     = 10
    min_retention_days = 10
    max_retention_days = 10
    # deep archive right after instant retrieval
    standard_days           = 2500
    deep_archive_after_days = 2557
  }

  expect_failures = [var.deep_archive_after_days, var.max_retention_days]
}

run "refuses_more_than_a_hundred_years" {
  command = plan

  variables {
    max_retention_days = 36501
  }

  expect_failures = [var.max_retention_days]
}

run "refuses_a_log_that_ends_with_its_archive" {
  command = plan

  variables {
    kept_days = 2600
  }

  expect_failures = [var.kept_days]
}
