# A log to try things out with: GOVERNANCE for a day, one account, one region. It is as hard to delete by accident as a
# real one; what is different is that an administrator can set the lock aside, and that it ends soon.

locals {
  # The roles are made by the root "service". Here their names are enough.
  role = "arn:aws:iam::${var.account_id}:role/${var.name}"
  roles = {
    writer             = "${local.role}-writer"
    mirror             = "${local.role}-mirror"
    verifier           = "${local.role}-verifier"
    retention_extender = "${local.role}-retention-extender"
    hold_manager       = "${local.role}-hold-manager"
    replication        = "${local.role}-replication"
    pipeline           = "arn:aws:iam::${var.account_id}:role/${var.pipeline_role}"
  }
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
  retention_mode     = "GOVERNANCE"
  retention_days     = var.retention_days
  max_retention_days = 7
}
