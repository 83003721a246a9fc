# The key that signs and the key that encrypts. Object Lock protects neither: who deletes the store's key makes every
# locked object unreadable, and verifiers need the signing key's public half for ever. Hence the longest deletion
# window, prevent_destroy, and policies in which no duty may delete or disable.

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}
data "aws_partition" "current" {}

locals {
  template = {
    deployment                  = var.deployment
    account_id                  = data.aws_caller_identity.current.account_id
    region                      = data.aws_region.current.name
    partition                   = data.aws_partition.current.partition
    writer_role_arn             = var.roles.writer
    mirror_role_arn             = var.roles.mirror
    verifier_role_arn           = var.roles.verifier
    retention_extender_role_arn = var.roles.retention_extender
    hold_manager_role_arn       = var.roles.hold_manager
    replication_role_arn        = var.roles.replication
    pipeline_role_arn           = var.roles.pipeline
  }
}

resource "aws_kms_key" "signing" {
  description              = "Signs the audit log ${var.deployment}"
  customer_master_key_spec = "ECC_NIST_P256"
  key_usage                = "SIGN_VERIFY"
  deletion_window_in_days  = 30
  policy                   = jsonencode(jsondecode(templatefile("${path.module}/../../../policies/kms/signing-key.json", local.template)))
  # The organization's policies know the keys of a log by this tag.
  tags = merge(var.tags, { "indelible:protected" = "signing-key" })

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "signing" {
  name          = "alias/${var.name}-signing"
  target_key_id = aws_kms_key.signing.key_id

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_key" "store" {
  count = var.store_key ? 1 : 0

  description             = "Encrypts the audit log ${var.deployment}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = jsonencode(jsondecode(templatefile("${path.module}/../../../policies/kms/store-key.json", local.template)))
  tags                    = merge(var.tags, { "indelible:protected" = "store-key" })

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "store" {
  count = var.store_key ? 1 : 0

  name          = "alias/${var.name}-store"
  target_key_id = aws_kms_key.store[0].key_id

  lifecycle {
    prevent_destroy = true
  }
}
