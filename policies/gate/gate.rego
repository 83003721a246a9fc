# The gate over plans of Terraform: what `refusals` holds must not be applied. docs/plan-gate.md explains the rules.
#
# Whatever can't be judged is refused. `prevent_destroy` is not in a plan's JSON, so nothing here relies on it.
package indelible.gate

verdict := {
	"refusals": refusals,
	"warnings": warnings,
	"protected": protected_now,
}

# What the inventory is written from.
protected_now contains {"address": c.address, "type": c.type, "id": id} if {
	some c in guarded
	some base in c.bases
	id := at(base, "id", "")
}

unjudgeable contains "it is no JSON object" if not is_object(given)

unjudgeable contains "it has no format_version, so it is no plan of Terraform" if {
	is_object(given)
	not is_string(plan.format_version)
}

unjudgeable contains sprintf("its format_version is %s, and these rules know 1.x", [plan.format_version]) if {
	not startswith(plan.format_version, "1.")
}

unjudgeable contains "it has no planned_values and no configuration, so it is a state or something else, and no plan" if {
	is_object(given)
	not plan_parts
}

plan_parts if {
	is_object(plan.planned_values)
	is_object(plan.configuration)
}

unjudgeable contains "Terraform ended with an error while it made it" if plan.errored == true

# Also a plan with -target: what it leaves out comes with a later one.
unjudgeable contains "it is incomplete (-target, or an error)" if {
	object.get(plan, "complete", true) != true
}

unjudgeable contains "it puts changes off to a later plan (deferred_changes)" if {
	count(object.get(plan, "deferred_changes", [])) > 0
}

# What an action of a provider does is not in the plan.
unjudgeable contains "it invokes actions of providers (action_invocations)" if {
	count(object.get(plan, "action_invocations", [])) > 0
}

unjudgeable contains "it names resources in the state and has no resource_changes" if {
	is_object(plan.prior_state)
	count(object.get(plan.prior_state, ["values", "root_module"], {})) > 0
	not plan.resource_changes
}

unjudgeable contains "a resource in it has no type, address or actions" if {
	some rc in plan.resource_changes
	not described(rc)
}

described(rc) if {
	is_string(rc.address)
	is_string(rc.type)
	is_string(rc.mode)
	{action | some action in rc.change.actions} in known_actions
}

refusals contains {
	"rule": "unjudgeable",
	"address": "",
	"message": sprintf("The plan can't be judged: %s. Make a whole plan with `terraform plan -out FILE`, and give `terraform show -json FILE` to the gate.", [what]),
} if {
	some what in unjudgeable
}
