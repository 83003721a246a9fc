# What would be lost with each of these: that no single role both writes the log and changes what keeps it.

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
  name              = "audit-log"
  deployment        = "audit.example.com"
  bucket            = "audit-log-example"
  log_bucket_prefix = "audit-log-"
  signing_key_arn   = "arn:aws:kms:eu-central-1:111122223333:key/0a"
  store_key_arn     = "arn:aws:kms:eu-central-1:111122223333:key/0b"
  msk_cluster_arn   = "arn:aws:kafka:eu-central-1:111122223333:cluster/audit-log/*"
  trust_policies = {
    writer             = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/writer-task\"},\"Action\":\"sts:AssumeRole\"}]}"
    mirror             = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/mirror-task\"},\"Action\":\"sts:AssumeRole\"}]}"
    indexer            = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/indexer-task\"},\"Action\":\"sts:AssumeRole\"}]}"
    verifier           = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/verifier-task\"},\"Action\":\"sts:AssumeRole\"}]}"
    retention-extender = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/retention-extender-task\"},\"Action\":\"sts:AssumeRole\"}]}"
    hold-manager       = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/hold-manager-task\"},\"Action\":\"sts:AssumeRole\"}]}"
  }
}

run "one_role_a_duty" {
  command = plan

  assert {
    condition     = toset([for role in aws_iam_role.duty : role.name]) == toset(["audit-log-writer", "audit-log-mirror", "audit-log-indexer", "audit-log-verifier", "audit-log-retention-extender", "audit-log-hold-manager"])
    error_message = "The roles have other names than those the buckets' policies know."
  }

  assert {
    condition = alltrue([for duty, policy in output.policies : alltrue([for s in jsondecode(policy).Statement :
      s.Effect == "Deny" || alltrue([for action in flatten([s.Action]) : !contains(["*", "s3:*", "kms:*", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention", "s3:PutBucketPolicy",
    "s3:PutLifecycleConfiguration", "kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:PutKeyPolicy"], action)])])])
    error_message = "A duty may delete, or change what protects the log."
  }

  assert {
    condition     = [for duty, policy in output.policies : duty if strcontains(policy, "kms:Sign\"")] == ["writer"]
    error_message = "Another duty than the writer may sign."
  }

  assert {
    condition     = [for duty, policy in output.policies : duty if strcontains(policy, "s3:PutObjectLegalHold")] == ["hold-manager"]
    error_message = "Another duty than the hold manager may lift a hold."
  }

  assert {
    condition     = alltrue([for policy in output.policies : !strcontains(policy, "replica")])
    error_message = "A duty has rights on a replica that is not there, and may be somebody else's."
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.duty : role.permissions_boundary == null && role.max_session_duration == 3600])
    error_message = "Sessions are longer than an hour, or a boundary is set that nobody asked for."
  }

  assert {
    condition     = alltrue([for duty, exclusive in aws_iam_role_policies_exclusive.duty : tolist(exclusive.policy_names) == tolist([duty])]) && alltrue([for exclusive in aws_iam_role_policy_attachments_exclusive.duty : length(exclusive.policy_arns) == 0])
    error_message = "A policy that somebody adds by hand would stay."
  }
}

run "replication_is_trusted_to_s3_for_this_bucket_alone" {
  command = plan

  variables {
    replica_bucket           = "audit-log-example-replica"
    replica_account_id       = "444455556666"
    copied_by                = "s3"
    permissions_boundary_arn = "arn:aws:iam::111122223333:policy/boundary"
  }

  assert {
    condition     = jsondecode(aws_iam_role.duty["replication"].assume_role_policy).Statement[0].Principal.Service == "s3.amazonaws.com" && jsondecode(aws_iam_role.duty["replication"].assume_role_policy).Statement[0].Condition.ArnEquals["aws:SourceArn"] == "arn:aws:s3:::audit-log-example"
    error_message = "Others may use the role of replication."
  }

  assert {
    condition     = strcontains(output.policies["replication"], "s3:GetObjectRetention") && strcontains(output.policies["replication"], "s3:GetObjectLegalHold") && strcontains(output.policies["replication"], "arn:aws:s3:::audit-log-example-replica/*") && strcontains(output.policies["verifier"], "arn:aws:s3:::audit-log-example-replica/*")
    error_message = "Copies would fail, or come without their locks."
  }

  assert {
    condition     = !strcontains(output.policies["replication"], "s3:ReplicateDelete")
    error_message = "Delete markers could be replicated."
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.duty : role.permissions_boundary == "arn:aws:iam::111122223333:policy/boundary"])
    error_message = "A role is made without the boundary."
  }
}

run "refuses_bad_settings_first" {
  command = plan

  variables {
    # a duty that is none
    trust_policies = {
      writer        = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/writer-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      verifier      = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/verifier-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      administrator = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/administrator-task\"},\"Action\":\"sts:AssumeRole\"}]}"
    }
    # a replica without its account
    replica_bucket = "audit-log-example-replica"
    # another way of copying
    copied_by = "hand"
    # an alias for the signing key
    signing_key_arn = "alias/audit-log-signing"
    # an alias for the store key
    store_key_arn = "alias/audit-log-store"
    # a name in capitals
    name = "AuditLog"
  }

  expect_failures = [var.copied_by, var.name, var.replica_account_id, var.signing_key_arn, var.store_key_arn, var.trust_policies]
}

run "refuses_a_log_that_nobody_verifies" {
  command = plan

  variables {
    trust_policies = {
      writer             = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/writer-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      mirror             = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/mirror-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      indexer            = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/indexer-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      retention-extender = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/retention-extender-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      hold-manager       = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/hold-manager-task\"},\"Action\":\"sts:AssumeRole\"}]}"
    }
  }

  expect_failures = [var.trust_policies]
}

run "refuses_a_role_for_everybody" {
  command = plan

  variables {
    trust_policies = {
      writer             = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"sts:AssumeRole\"}]}"
      mirror             = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/mirror-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      indexer            = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/indexer-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      verifier           = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/verifier-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      retention-extender = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/retention-extender-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      hold-manager       = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/hold-manager-task\"},\"Action\":\"sts:AssumeRole\"}]}"
    }
  }

  expect_failures = [var.trust_policies]
}

run "refuses_a_role_for_every_account" {
  command = plan

  variables {
    trust_policies = {
      writer             = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"*\"]},\"Action\":\"sts:AssumeRole\"}]}"
      mirror             = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/mirror-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      indexer            = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/indexer-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      verifier           = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/verifier-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      retention-extender = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/retention-extender-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      hold-manager       = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/hold-manager-task\"},\"Action\":\"sts:AssumeRole\"}]}"
    }
  }

  expect_failures = [var.trust_policies]
}

run "refuses_a_trust_policy_that_is_no_json" {
  command = plan

  variables {
    trust_policies = {
      writer             = "everybody"
      mirror             = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/mirror-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      indexer            = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/indexer-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      verifier           = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/verifier-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      retention-extender = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/retention-extender-task\"},\"Action\":\"sts:AssumeRole\"}]}"
      hold-manager       = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/hold-manager-task\"},\"Action\":\"sts:AssumeRole\"}]}"
    }
  }

  expect_failures = [var.trust_policies]
}
