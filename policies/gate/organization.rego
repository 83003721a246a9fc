# What the organization denies stays in force, and the accounts stay where it is in force. The documents themselves are
# judged in policies.rego; a policy that is detached is a destroyed attachment.
package indelible.gate

refusals contains refusal("organization-policy-type-off", c, sprintf("%s would be switched off for the whole organization", [policy_type]), "Put it back into enabled_policy_types") if {
	some c in kept
	c.type == "aws_organizations_organization"
	not unknown(c, ["enabled_policy_types"])
	some base in c.bases
	some policy_type in listed(object.get(base, "enabled_policy_types", null))
	policy_type in {"SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"}
	not policy_type in listed(object.get(c.after, "enabled_policy_types", null))
}

refusals contains refusal("account-moved", c, "the account would be moved to where other policies are in force", "Leave it where it is") if {
	some c in kept
	c.type == "aws_organizations_account"
	not unknown(c, ["parent_id"])
	some base in c.bases
	at(base, "parent_id", "") != ""
	c.after.parent_id != base.parent_id
}

# Closing the account is the one way past COMPLIANCE.
refusals contains refusal("account-closable", c, "the account would be closed once it leaves the configuration, and all locked objects with it", "Set close_on_deletion = false") if {
	some c in kept
	c.type == "aws_organizations_account"
	at(c.after, "close_on_deletion", false) == true
}
