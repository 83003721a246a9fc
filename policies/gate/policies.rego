# Policies of what is protected: a Deny stays, an Allow does not grow, nobody is given what removes.
package indelible.gate

# Each document of a resource: what it was, what it will be.
documents contains {"change": c, "attribute": attribute, "sort": sort, "before": before, "after": after} if {
	some c in guarded
	some attribute, sort in kinds[c.type].policies
	not unknown(c, [attribute])
	before := {text | some base in c.bases; text := at(base, attribute, ""); text != ""}
	after := document_after(c, attribute)
}

# Also those of roles, which stand in their own block.
documents contains {"change": c, "attribute": "inline_policy", "sort": "identity", "before": set(), "after": after} if {
	some c in kept
	c.type == "aws_iam_role"
	some inline in listed(object.get(c.after, "inline_policy", null))
	after := at(inline, "policy", "")
	after != ""
}

document_after(c, attribute) := at(c.after, attribute, "") if c.after != null

# A policy that goes, and may go: what it denied is missing after that.
document_after(c, _) := "" if {
	c.after == null
	kinds[c.type].may_go
}

refusals contains refusal(
	"policy-unreadable", document.change, sprintf("%s would be no policy that can be read", [document.attribute]),
	"Make it JSON with Version and Statement, and Effect Allow or Deny in each statement",
) if {
	some document in documents
	document.after != ""
	not statements(document.after)
}

denies(text) := [each | some each in statements(text); each.effect == "Deny"]

allows(text) := [each | some each in statements(text); each.effect == "Allow"]

after_denies(document) := [] if document.after == ""

after_denies(document) := denies(document.after) if document.after != ""

refusals contains refusal(
	"policy-deny-removed", document.change, sprintf("the statement %s would go, or deny less", [each.sid]),
	"Put it back as it was; a statement that denies more may stand beside it",
) if {
	some document in documents
	some before in document.before
	some each in denies(before)
	not covered(each, after_denies(document))
}

# What is allowed now and was not before. Without a base everything is new.
added(document) := [each |
	some each in allows(document.after)
	not allowed_before(document, each)
]

allowed_before(document, each) if {
	count(document.before) > 0
	every before in document.before {
		covered(each, allows(before))
	}
}

everybody(each) if "*" in each.principals.in

everybody(each) if each.principals.out

refusals contains refusal(
	"policy-allow-widened", document.change, sprintf("the statement %s would allow everybody, or everybody but some", [each.sid]),
	"Name the roles that need it",
) if {
	some document in documents
	document.sort in {"resource", "key"}
	some each in added(document)
	everybody(each)
	not first_with_condition(document, each)
}

# A topic that any service of the account may publish to is written like that.
first_with_condition(document, each) if {
	fresh(document.change)
	count(each.conditions) > 0
	not each.principals.out
}

refusals contains refusal(
	"policy-allow-widened", document.change, sprintf("the statement %s would allow something to account %s, which had no right here", [each.sid, account]),
	"Leave it out, or let somebody who may widen the policy do that outside this pipeline",
) if {
	some document in documents
	document.sort == "resource"
	not fresh(document.change)
	some each in added(document)
	some named in each.principals.in
	startswith(named, "AWS:arn:")
	account := split(named, ":")[5]
	account != ""
	not account in known_accounts(document)
}

refusals contains refusal(
	"policy-allow-widened", document.change, sprintf("the statement %s would allow what nobody was allowed before", [each.sid]),
	"Leave it out, or let somebody who may widen the policy do that outside this pipeline",
) if {
	some document in documents
	not fresh(document.change)
	some each in added(document)
	not everybody(each)
	grows(document, each)
}

# Whoever may use a key can read the log or sign for it: any new right counts.
grows(document, _) if document.sort == "key"

grows(document, each) if {
	document.sort == "resource"
	removes(each)
}

known_accounts(document) := {account |
	some text in document.before
	some account in regex.find_n(`\b\d{12}\b`, text, -1)
} | {account |
	some [_, name] in identities
	startswith(name, "arn:")
	account := split(name, ":")[4]
}

removes(each) if {
	some pattern in each.actions.in
	some action in data.protected.removing_actions
	overlap(pattern, lower(action))
}

removes(each) if each.actions.out

refusals contains refusal(
	"trust-widened", document.change, sprintf("more than before could take on this role (statement %s)", [each.sid]),
	"Name exactly the principals that need it, with their conditions",
) if {
	some document in documents
	document.sort == "trust"
	some each in added(document)
	too_trusting(document, each)
}

too_trusting(document, _) if not fresh(document.change)

too_trusting(_, each) if each.principals.out

too_trusting(_, each) if {
	everybody(each)
	count(each.conditions) == 0
}

refusals contains refusal(
	"grants-removal", document.change, sprintf("the statement %s would allow what removes or unprotects", [each.sid]),
	"Leave those actions out; no duty of the log needs them",
) if {
	some document in documents
	document.sort == "identity"
	some each in allows(document.after)
	removes(each)
}

# Roles that have nothing to do with the log: they may do as they like, but not with what is protected.
refusals contains refusal(
	"grants-removal", c, sprintf("the statement %s would allow what removes or unprotects %s", [each.sid, arn]),
	"Limit its resources to what the role is for",
) if {
	some c in changes
	c.after != null
	not c.address in protected_addresses
	c.type in {"aws_iam_role_policy", "aws_iam_policy", "aws_iam_user_policy", "aws_iam_group_policy"}
	some each in allows(at(c.after, "policy", ""))
	removes(each)
	some arn in protected_arns
	some pattern in each.resources.in
	overlap(pattern, arn)
	acts_on(each, split(arn, ":")[2])
}

acts_on(each, _) if each.actions.out

acts_on(each, service) if {
	some pattern in each.actions.in
	some action in data.protected.removing_actions
	overlap(pattern, lower(action))
	split(action, ":")[0] in {service, sprintf("%s-cluster", [service])}
}

protected_arns contains arn if {
	some [kind, arn] in identities
	kind in {"bucket", "key", "cluster", "domain", "role"}
	startswith(arn, "arn:")
}

protected_arns contains sprintf("%s/*", [arn]) if {
	some ["bucket", arn] in identities
	startswith(arn, "arn:")
}
