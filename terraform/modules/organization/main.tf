# What holds against the administrators and root users of the log's accounts. It does not hold against the
# organization's management account: who may detach these policies there is watched by the alarm organization-change.

data "aws_partition" "current" {}

locals {
  template = {
    log_bucket_prefix           = var.log_bucket_prefix
    deployment                  = var.deployment
    organization_id             = var.organization_id
    partition                   = data.aws_partition.current.partition
    pipeline_role_arn           = var.pipeline_role_arn
    writer_role_arn             = var.roles.writer
    mirror_role_arn             = var.roles.mirror
    verifier_role_arn           = var.roles.verifier
    retention_extender_role_arn = var.roles.retention_extender
    hold_manager_role_arn       = var.roles.hold_manager
    replication_role_arn        = var.roles.replication
  }
  # Without white space: AWS counts it against the 5,120 characters that a policy may have.
  service_control  = jsonencode(jsondecode(templatefile("${path.module}/../../../policies/organization/scp.json", local.template)))
  resource_control = jsonencode(jsondecode(templatefile("${path.module}/../../../policies/organization/rcp.json", local.template)))
}

resource "aws_organizations_policy" "service_control" {
  name        = "${var.name}-service-control"
  description = "Audit log ${var.deployment}: what nobody in its accounts may do"
  type        = "SERVICE_CONTROL_POLICY"
  content     = local.service_control
  tags        = merge(var.tags, { "indelible:protected" = "organization-policy" })

  lifecycle {
    prevent_destroy = true

    precondition {
      condition     = length(local.service_control) <= 5120
      error_message = "policies/organization/scp.json: ${length(local.service_control)} characters, and AWS takes 5,120. Shorten log_bucket_prefix, or cut the policy in two."
    }
  }
}

resource "aws_organizations_policy" "resource_control" {
  name        = "${var.name}-resource-control"
  description = "Audit log ${var.deployment}: what nobody, from wherever, may do to its buckets and keys"
  type        = "RESOURCE_CONTROL_POLICY"
  content     = local.resource_control
  tags        = merge(var.tags, { "indelible:protected" = "organization-policy" })

  lifecycle {
    prevent_destroy = true

    precondition {
      condition     = length(local.resource_control) <= 5120
      error_message = "policies/organization/rcp.json: ${length(local.resource_control)} characters, and AWS takes 5,120. Shorten log_bucket_prefix, or cut the policy in two."
    }
  }
}

resource "aws_organizations_policy_attachment" "service_control" {
  for_each = var.target_ids

  policy_id = aws_organizations_policy.service_control.id
  target_id = each.value

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_organizations_policy_attachment" "resource_control" {
  for_each = var.target_ids

  policy_id = aws_organizations_policy.resource_control.id
  target_id = each.value

  lifecycle {
    prevent_destroy = true
  }
}
