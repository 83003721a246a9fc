resource "aws_organizations_organization" "all" {
  feature_set          = "ALL"
  enabled_policy_types = ["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]
}

resource "aws_organizations_organizational_unit" "audit" {
  name      = "audit"
  parent_id = aws_organizations_organization.all.roots[0].id
  tags      = { "indelible:protected" = "organizational-unit" }
}

resource "aws_organizations_account" "log" {
  name              = "audit-log"
  email             = "audit-log@example.com"
  parent_id         = aws_organizations_organizational_unit.audit.id
  close_on_deletion = false
  tags              = { "indelible:protected" = "account" }
}

# The stand-in's only account of a known id is its own, which manages the organization; the module would refuse it.
module "organization" {
  source = "../../modules/organization"

  name                  = local.name
  target_ids            = [local.account]
  organization_id       = "o-abcdefghij"
  log_bucket_prefix     = "${local.name}-"
  deployment            = "audit.example.com"
  pipeline_role_arn     = local.roles.pipeline
  roles                 = { for duty, arn in local.roles : duty => arn if duty != "pipeline" }
  management_account_id = "111122223333"
}
