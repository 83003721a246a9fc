# Nothing protected goes: not destroyed, not replaced, not forgotten, not lost from the state.
package indelible.gate

goes(c) if {
	c.actions == {"delete"}
	not kinds[c.type].may_go
}

refusals contains refusal("destroyed", c, "would be destroyed", "Put its block back; what is protected is never removed by a plan") if {
	some c in guarded
	goes(c)
}

refusals contains refusal("replaced", c, "would be destroyed and made anew", "Take back the change that forces a replacement, or make a new one beside it") if {
	some c in guarded
	c.actions == {"delete", "create"}
	not kinds[c.type].may_go
}

refusals contains refusal(
	"forgotten", c, "would be dropped from the state and go on unmanaged, so that a later plan could not see it",
	"Take out the `removed` block and put the resource's block back",
) if {
	some c in guarded
	"forget" in c.actions
}

refusals contains refusal(
	"moved-out", c, sprintf("comes from %s, which is protected, and would not be recognised as protected here", [c.previous]),
	sprintf("Take back the `moved` block, or keep the tag %s and the module", [data.protected.mark]),
) if {
	some c in changes
	c.previous != null
	c.previous != c.address
	kinds[type_of(c.previous)]
	not still_recognised(c)
	was_recognised(c)
}

type_of(address) := parts[count(parts) - 2] if parts := split(regex.replace(address, `\[[^\]]*\]`, ""), ".")

# The address before counts as one of its module.
was_recognised(c) if c.previous in inventoried

was_recognised(c) if {
	some base in c.bases
	marked(base)
}

was_recognised(c) if {
	some name in data.protected.modules
	regex.match(sprintf(`(^|\.)module\.%s[.\[]`, [replace(name, "-", "[_-]")]), c.previous)
}

was_recognised(c) if {
	previous_module := regex.replace(regex.replace(c.previous, `\[[^\]]*\]`, ""), `\.[^.]+\.[^.]+$`, "")
	some name in data.protected.modules
	regex.match(sprintf(`(^|/)modules/%s($|[?/])`, [name]), sources[previous_module])
}

still_recognised(c) if {
	c.address in protected_addresses
	kinds[c.type]
	type_of(c.previous) == c.type
}

refusals contains refusal(
	"mark-removed", c, sprintf("would lose the tag %s, by which it is known to be protected", [data.protected.mark]),
	"Put the tag back",
) if {
	some c in kept
	some base in c.bases
	marked(base)
	not marked(c.after)
}

# State surgery leaves no trace in a plan: only a list from before shows it.
refusals contains {"rule": "state-removed", "address": entry.address, "message": message} if {
	some entry in inventory
	not entry.address in present
	not drifted_away(entry.address)
	message := sprintf(
		"%s: was applied (%s), and the state does not have it any more. Import it back into the state (`terraform import`), and look who removed it.",
		[entry.address, at(entry, "id", "without an id")],
	)
}

refusals contains {"rule": "state-removed", "address": entry.address, "message": message} if {
	some entry in inventory
	some c in changes
	entry.address in {c.address, c.previous}
	some base in c.bases
	at(entry, "id", "") != ""
	at(base, "id", "") != entry.id
	message := sprintf(
		"%s: was applied as %s, and the state now names %s at that address. Put back the state that names the first.",
		[entry.address, entry.id, at(base, "id", "nothing")],
	)
}

present contains address if {
	some c in changes
	count(c.bases) > 0
	some address in [c.address, c.previous]
}

drifted_away(address) if drifts[address].actions == ["delete"]

# Removed outside Terraform: the plan only finds it gone.
gone contains {"address": rc.address, "type": rc.type} if {
	some rc in plan.resource_drift
	rc.change.actions == ["delete"]
	kinds[rc.type]
	gone_protected(rc)
}

gone_protected(rc) if marked(rc.change.before)

gone_protected(rc) if rc.address in inventoried

gone_protected(rc) if rc.address in protected_addresses

gone_protected(rc) if in_protected_module({"module": module_key(rc)})

gone_protected(rc) if {
	some attribute, kind in kinds[rc.type].part_of
	[kind, rc.change.before[attribute]] in identities
}

refusals contains refusal(
	"removed-outside", thing, "was removed outside Terraform",
	"Find out who did it before anything is made anew: an empty one would hide what is lost",
) if {
	some thing in gone
	kinds[thing.type].data
}

refusals contains refusal(
	"removed-outside", thing, "was removed outside Terraform, and the plan does not bring it back",
	"Put its block back",
) if {
	some thing in gone
	not kinds[thing.type].data
	not kinds[thing.type].may_go
	not created(thing.address)
}

created(address) if {
	some c in changes
	c.address == address
	"create" in c.actions
}

warnings contains sprintf("%s: was removed outside Terraform; the plan makes it anew. Find out who did it.", [thing.address]) if {
	some thing in gone
	not kinds[thing.type].data
	created(thing.address)
}

warnings contains sprintf("%s: %s was changed outside Terraform. Find out who did it.", [c.address, attribute]) if {
	some c in guarded
	drift := drifts[c.address]
	drift.actions == ["update"]
	some attribute in judged(c)
	before := content(object.get(drift.before, attribute, null))
	count(before) > 0
	before != content(object.get(drift.after, attribute, null))
}

# What a rule would have to judge and can't, because the value comes only with the apply.
refusals contains refusal(
	"unknown-value", c, sprintf("%s is not known before the plan is applied, so nobody can tell whether it weakens", [attribute]),
	"Make it known beforehand: a literal, a variable, or the name of something that exists",
) if {
	some c in kept
	not fresh(c)
	some attribute in judged(c)
	unknown(c, [attribute])
}

judged(c) := {attribute | some attribute in kinds[c.type].judged} | {attribute | some attribute, _ in kinds[c.type].policies}

warnings contains sprintf("%s: %s is not known yet. The next plan shows it: hand that to the gate, too.", [c.address, attribute]) if {
	some c in kept
	fresh(c)
	some attribute in judged(c)
	unknown(c, [attribute])
}
