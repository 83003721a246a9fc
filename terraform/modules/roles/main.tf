# One role a duty, so that no single stolen one can both write the log and change what keeps it: the writer can't
# read keys or delete, who extends retention can't write, who verifies changes nothing.

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}
data "aws_partition" "current" {}

locals {
  # Stands for the replica where there is none, and what is granted on it is left out: a bucket of a guessed name could
  # be somebody else's.
  nowhere    = "no-replica"
  arn_prefix = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:role/${var.name}-"
  template = {
    bucket                      = var.bucket
    replica_bucket              = var.replica_bucket == null ? local.nowhere : var.replica_bucket
    replica_account_id          = var.replica_account_id == null ? local.nowhere : var.replica_account_id
    log_bucket_prefix           = var.log_bucket_prefix
    deployment                  = var.deployment
    account_id                  = data.aws_caller_identity.current.account_id
    region                      = data.aws_region.current.name
    partition                   = data.aws_partition.current.partition
    writer_role_arn             = "${local.arn_prefix}writer"
    mirror_role_arn             = "${local.arn_prefix}mirror"
    verifier_role_arn           = "${local.arn_prefix}verifier"
    retention_extender_role_arn = "${local.arn_prefix}retention-extender"
    hold_manager_role_arn       = "${local.arn_prefix}hold-manager"
    replication_role_arn        = "${local.arn_prefix}replication"
    signing_key_arn             = var.signing_key_arn
    store_key_arn               = var.store_key_arn
    msk_cluster_arn             = var.msk_cluster_arn
    topic                       = var.topic
  }
  # Only S3, and only for this bucket: another bucket's owner can't make the service use the role for his.
  replication_trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
        ArnEquals    = { "aws:SourceArn" = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket}" }
      }
    }]
  })
  documents = { for duty in keys(local.trust) : duty => jsondecode(templatefile("${path.module}/../../../policies/iam/${duty}.json", local.template)) }
  policies = { for duty, document in local.documents : duty => merge(document, {
    Statement = [for statement in document.Statement : merge(statement, {
      Resource = [for resource in flatten([statement.Resource]) : resource if !strcontains(resource, local.nowhere)]
    }) if length([for resource in flatten([statement.Resource]) : resource if !strcontains(resource, local.nowhere)]) > 0]
  }) }
  replicates = var.replica_bucket != null && var.copied_by == "s3"
  trust      = merge(var.trust_policies, local.replicates ? { replication = local.replication_trust } : {})
}

resource "aws_iam_role" "duty" {
  for_each = local.trust

  name                 = "${var.name}-${each.key}"
  description          = "Audit log ${var.deployment}: ${each.key}"
  assume_role_policy   = jsonencode(jsondecode(each.value))
  permissions_boundary = var.permissions_boundary_arn
  max_session_duration = 3600
  tags                 = merge(var.tags, { "indelible:protected" = "role" })

  # The policies of buckets and keys name the role: without it nobody could do its duty, and whoever makes a role of
  # that name could.
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_iam_role_policy" "duty" {
  for_each = local.trust

  name   = each.key
  role   = aws_iam_role.duty[each.key].name
  policy = jsonencode(local.policies[each.key])

  lifecycle {
    prevent_destroy = true
  }
}

# Inline policies that somebody adds by hand are removed at the next apply, and so are attached ones.
resource "aws_iam_role_policies_exclusive" "duty" {
  for_each = local.trust

  role_name    = aws_iam_role.duty[each.key].name
  policy_names = [aws_iam_role_policy.duty[each.key].name]
}

resource "aws_iam_role_policy_attachments_exclusive" "duty" {
  for_each = local.trust

  role_name   = aws_iam_role.duty[each.key].name
  policy_arns = []
}
