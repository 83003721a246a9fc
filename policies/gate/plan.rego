# What a plan says, in the form the rules ask for it: each resource with what it was, what it will be, what of that is
# not known yet, and how its configuration is written.
package indelible.gate

# `terraform show -json`, alone or as {"plan": …, "inventory": […]}.
given := object.get(input, "plan", input)

plan := given if is_object(given)

else := {}

inventory := object.get(input, "inventory", [])

known_actions := {{"no-op"}, {"create"}, {"read"}, {"update"}, {"delete"}, {"forget"}, {"delete", "create"}, {"forget", "create"}}

drifts[rc.address] := rc.change if {
	some rc in object.get(plan, "resource_drift", [])
	rc.mode == "managed"
	not rc.deposed
}

changes := [change(rc) | some rc in object.get(plan, "resource_changes", []); rc.mode == "managed"]

change(rc) := {
	"address": rc.address,
	"type": rc.type,
	"previous": object.get(rc, "previous_address", null),
	"actions": {action | some action in rc.change.actions},
	"bases": bases(rc),
	"after": object.get(rc.change, "after", null),
	"unknown": object.get(rc.change, "after_unknown", {}),
	"module": module_key(rc),
	"config": config_key(rc),
}

# What it may not become weaker than: what is there now and, if somebody changed it outside Terraform, what it was
# before that. Else a change made by hand would become the measure of the next plan.
bases(rc) := [base |
	some base in [object.get(drifts, [rc.address, "before"], null), object.get(rc.change, "before", null)]
	base != null
]

# `module.a["x"].module.b` is written once, as `module.a.module.b`.
module_key(rc) := regex.replace(object.get(rc, "module_address", ""), `\[[^\]]*\]`, "")

config_key(rc) := sprintf("%s|%s.%s", [module_key(rc), rc.type, rc.name])

# The configuration's resources by that key.
written[key] := resource if {
	some [path, resources] in walked_configuration
	path[count(path) - 1] == "resources"
	some resource in resources
	resource.mode == "managed"
	key := sprintf("%s|%s.%s", [module_of_path(path), resource.type, resource.name])
}

# The sources of modules by their key.
sources[key] := call.source if {
	some [path, calls] in walked_configuration
	path[count(path) - 1] == "module_calls"
	some name, call in calls
	key := trim_prefix(sprintf("%s.module.%s", [module_of_path(path), name]), ".")
}

walked_configuration contains [path, value] if {
	walk(object.get(plan, ["configuration", "root_module"], {}), [path, value])
	count(path) > 0
	path[count(path) - 1] in {"resources", "module_calls"}
	module_path(path)
}

# …/module_calls/<name>/module/… and nothing else: an expression may have a key of that name, too.
module_path(path) if {
	every i in numbers.range(0, count(path) - 1) {
		part_of_module_path(path[i], i % 3, i == (count(path) - 1))
	}
}

part_of_module_path("resources", 0, true)

part_of_module_path("module_calls", 0, _)

part_of_module_path(_, 1, false)

part_of_module_path("module", 2, false)

module_of_path(path) := concat(".", [sprintf("module.%s", [name]) | some i, name in path; i % 3 == 1])

# The names a configured argument refers to.
references(c, argument) := {reference |
	walk(object.get(written, [c.config, "expressions", argument], {}), [path, reference])
	"references" in path
	is_string(reference)
}

# Not known until the plan is applied, wholly or in part.
unknown(c, path) if {
	some n in numbers.range(1, count(path))
	object.get(c.unknown, array.slice(path, 0, n), false) == true
}

unknown(c, path) if {
	walk(object.get(c.unknown, path, false), [_, true])
}

# The n-th value of a nested block, or the fallback.
at(value, path, fallback) := found if {
	found := object.get(value, path, null)
	found != null
} else := fallback

# What a value says, without what is only an empty place in it: providers write null, "" and [] for the same.
content(value) := {[path, leaf] |
	walk(value, [path, leaf])
	not is_object(leaf)
	not is_array(leaf)
	not leaf in {null, ""}
}

listed(value) := value if is_array(value)

listed(value) := [value] if {
	not is_array(value)
	value != null
}

listed(null) := []

refusal(rule, c, what, advice) := {
	"rule": rule,
	"address": c.address,
	"message": sprintf("%s: %s. %s", [c.address, what, advice]),
}
