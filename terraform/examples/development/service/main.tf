# What works with the log: roles, mirror, alarms. Its state is apart from that of the locked parts, so that a run here
# can't touch them.

locals {
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
  trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = var.trusted_principal_arns }
      Action    = "sts:AssumeRole"
    }]
  })
}

module "roles" {
  source = "../../../modules/roles"

  name              = var.name
  deployment        = var.deployment
  bucket            = var.bucket
  log_bucket_prefix = "${var.name}-"
  signing_key_arn   = var.signing_key_arn
  store_key_arn     = var.store_key_arn
  msk_cluster_arn   = module.mirror.cluster_arn_pattern
  trust_policies = {
    for duty in ["writer", "mirror", "indexer", "verifier", "retention-extender", "hold-manager"] : duty => local.trust
  }
}

module "mirror" {
  source = "../../../modules/mirror"

  name               = var.name
  subnet_ids         = var.subnet_ids
  security_group_ids = var.security_group_ids
  broker_count       = length(var.subnet_ids) * ceil(3 / length(var.subnet_ids))
  instance_type      = "kafka.t3.small"
  volume_gib         = 10
}

module "alarms" {
  source = "../../../modules/alarms"

  name         = var.name
  deployment   = var.deployment
  account      = "log"
  scope        = "regional"
  bucket       = var.bucket
  roles        = local.roles
  trail_bucket = var.trail_bucket
  subscribers  = [{ protocol = "email", endpoint = var.alarm_email }]
}

module "alarms_global" {
  source    = "../../../modules/alarms"
  providers = { aws = aws.global }

  name        = var.name
  deployment  = var.deployment
  account     = "log"
  scope       = "global"
  bucket      = var.bucket
  roles       = local.roles
  trail_name  = module.alarms.trail_name
  subscribers = [{ protocol = "email", endpoint = var.alarm_email }]
}
