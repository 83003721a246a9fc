# What nobody may take away: buckets, keys, organization policies. Applied rarely, with a state of its own; the plan gate
# (scripts/plan-gate.mjs) looks at every plan before it is applied.

locals {
  # The roles are made by the root "service". Here their names are enough.
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
  replica_roles = merge(local.roles, {
    pipeline = "arn:aws:iam::${var.replica_account_id}:role/${var.pipeline_role}"
  })
}

module "keys" {
  source = "../../../modules/keys"

  name       = var.name
  deployment = var.deployment
  roles      = local.roles
}

module "log_bucket" {
  source = "../../../modules/log-bucket"

  bucket             = var.bucket
  log_bucket_prefix  = "${var.name}-"
  deployment         = var.deployment
  roles              = local.roles
  store_key_arn      = module.keys.store_key_arn
  retention_mode     = "COMPLIANCE"
  retention_days     = var.retention_days
  min_retention_days = var.min_retention_days
  max_retention_days = var.max_retention_days

  i_understand_compliance_is_irreversible = var.i_understand_compliance_is_irreversible
}

module "replica_bucket" {
  source = "../../../modules/replica-bucket"
  providers = {
    aws.primary = aws
    aws.replica = aws.replica
  }

  bucket             = var.replica_bucket
  source_bucket      = module.log_bucket.bucket
  log_bucket_prefix  = "${var.name}-"
  deployment         = var.deployment
  copied_by          = var.copied_by
  roles              = local.replica_roles
  retention_mode     = "COMPLIANCE"
  retention_days     = var.retention_days
  min_retention_days = var.min_retention_days
  max_retention_days = var.max_retention_days

  i_understand_compliance_is_irreversible = var.i_understand_compliance_is_irreversible
}

module "organization" {
  source = "../../../modules/organization"
  providers = {
    aws = aws.organization
  }

  name                  = var.name
  deployment            = var.deployment
  organization_id       = var.organization_id
  management_account_id = var.management_account_id
  target_ids            = var.organization_target_ids
  log_bucket_prefix     = "${var.name}-"
  pipeline_role_arn     = "arn:aws:iam::*:role/${var.pipeline_role}"
  roles                 = { for duty, arn in local.roles : duty => arn if duty != "pipeline" }
}
