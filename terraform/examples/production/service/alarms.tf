# In each account, and once in its region and once in us-east-1, where IAM and the organization report.

module "alarms" {
  source = "../../../modules/alarms"

  name                = var.name
  deployment          = var.deployment
  account             = "log"
  scope               = "regional"
  bucket              = var.bucket
  replica_bucket      = var.replica_bucket
  roles               = local.roles
  trail_bucket        = "${var.trail_bucket_prefix}-log"
  replication_rule_id = var.copied_by == "s3" ? "copy-everything" : null
  subscribers         = var.subscribers
  playbooks           = var.playbooks
}

module "alarms_global" {
  source    = "../../../modules/alarms"
  providers = { aws = aws.global }

  name           = var.name
  deployment     = var.deployment
  account        = "log"
  scope          = "global"
  bucket         = var.bucket
  replica_bucket = var.replica_bucket
  roles          = local.roles
  trail_name     = module.alarms.trail_name
  subscribers    = var.subscribers
  playbooks      = var.playbooks
}

module "alarms_replica" {
  source    = "../../../modules/alarms"
  providers = { aws = aws.replica }

  name           = var.name
  deployment     = var.deployment
  account        = "replica"
  scope          = "regional"
  bucket         = var.bucket
  replica_bucket = var.replica_bucket
  roles          = local.roles
  trail_bucket   = "${var.trail_bucket_prefix}-replica"
  subscribers    = var.subscribers
  playbooks      = var.playbooks
}

module "alarms_replica_global" {
  source    = "../../../modules/alarms"
  providers = { aws = aws.replica_global }

  name           = var.name
  deployment     = var.deployment
  account        = "replica"
  scope          = "global"
  bucket         = var.bucket
  replica_bucket = var.replica_bucket
  roles          = local.roles
  trail_name     = module.alarms_replica.trail_name
  subscribers    = var.subscribers
  playbooks      = var.playbooks
}

module "alarms_management" {
  source    = "../../../modules/alarms"
  providers = { aws = aws.organization }

  name           = var.name
  deployment     = var.deployment
  account        = "management"
  scope          = "global"
  bucket         = var.bucket
  replica_bucket = var.replica_bucket
  roles          = local.roles
  trail_bucket   = "${var.trail_bucket_prefix}-management"
  subscribers    = var.subscribers
  playbooks      = var.playbooks
}
