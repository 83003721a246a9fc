# Roles: what a policy document doesn't say. Their documents are judged in policies.rego.
package indelible.gate

refusals contains refusal("boundary-removed", c, "the role would lose its permissions boundary, or have another", "Put permissions_boundary back") if {
	some c in kept
	c.type == "aws_iam_role"
	not unknown(c, ["permissions_boundary"])
	some base in c.bases
	at(base, "permissions_boundary", "") != ""
	at(c.after, "permissions_boundary", "") != base.permissions_boundary
}

attached contains {"change": c, "policy": policy} if {
	some c in kept
	c.type == "aws_iam_role_policy_attachment"
	not unknown(c, ["policy_arn"])
	policy := c.after.policy_arn
	not ["iam-policy", policy] in identities
	not planned_policy(policy)
}

attached contains {"change": c, "policy": policy} if {
	some c in kept
	c.type == "aws_iam_role"
	not unknown(c, ["managed_policy_arns"])
	some policy in written[c.config].expressions.managed_policy_arns.constant_value
	not planned_policy(policy)
}

attached contains {"change": c, "policy": policy} if {
	some c in kept
	c.type == "aws_iam_role_policy_attachments_exclusive"
	not unknown(c, ["policy_arns"])
	some policy in c.after.policy_arns
	not planned_policy(policy)
}

planned_policy(arn) if {
	some c in changes
	c.type == "aws_iam_policy"
	some face in faces(c)
	face.arn == arn
}

refusals contains refusal(
	"grants-removal", each.change, sprintf("the role would have the policy %s, which may allow what removes or unprotects, and which the gate can't read", [each.policy]),
	"Attach a policy that stands in this configuration",
) if {
	some each in attached
	not readable(each.policy)
}

readable(arn) if {
	regex.match(`^arn:[a-z-]+:iam::aws:policy/`, arn)
	some name in data.protected.readable_managed_policies
	contains(arn, name)
}
