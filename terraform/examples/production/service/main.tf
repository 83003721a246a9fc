# What works with the log: roles, mirror, alarms. Its state is apart from that of the locked parts, so that a run here
# can't touch them. Nothing is read from that state: names are fixed beforehand, and the keys' ARNs are variables.

locals {
  role = "arn:aws:iam::${var.log_account_id}:role/${var.name}"
  roles = {
    writer             = "${local.role}-writer"
    mirror             = "${local.role}-mirror"
    verifier           = "${local.role}-verifier"
    retention_extender = "${local.role}-retention-extender"
    hold_manager       = "${local.role}-hold-manager"
    replication        = "${local.role}-replication"
    pipeline           = "arn:aws:iam::${var.log_account_id}:role/${var.pipeline_role}"
  }
}

module "roles" {
  source = "../../../modules/roles"

  name                     = var.name
  deployment               = var.deployment
  bucket                   = var.bucket
  replica_bucket           = var.replica_bucket
  replica_account_id       = var.replica_account_id
  copied_by                = var.copied_by
  log_bucket_prefix        = "${var.name}-"
  signing_key_arn          = var.signing_key_arn
  store_key_arn            = var.store_key_arn
  msk_cluster_arn          = module.mirror.cluster_arn_pattern
  trust_policies           = var.trust_policies
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "mirror" {
  source = "../../../modules/mirror"

  name               = var.name
  subnet_ids         = var.subnet_ids
  security_group_ids = var.security_group_ids
  broker_count       = length(var.subnet_ids)
  scram_secret_arns  = var.scram_secret_arns
}
