# The language of IAM policies, as far as two documents have to be held against each other: does every request that a
# statement of the one matches also match a statement of the other?
#
# A statement is compared by its atoms (one action, one resource, one principal), and an atom has to lie in a single
# statement of the other document. What can't be shown to be the same or wider counts as narrower: a rewritten policy
# may be refused although it denies as much, but none passes that denies less.
package indelible.gate

# The statements of a document; undefined if it is none.
statements(text) := [statement(raw) | some raw in listed(json.unmarshal(text).Statement)] if {
	json.is_valid(text)
	is_object(json.unmarshal(text))
	count(listed(json.unmarshal(text).Statement)) > 0
	every raw in listed(json.unmarshal(text).Statement) {
		raw.Effect in {"Allow", "Deny"}
	}
}

statement(raw) := {
	"sid": object.get(raw, "Sid", "(without a Sid)"),
	"effect": raw.Effect,
	"actions": dimension(raw, "Action", "NotAction", lowered(object.get(raw, "Action", [])), lowered(object.get(raw, "NotAction", []))),
	"resources": dimension(raw, "Resource", "NotResource", texts(object.get(raw, "Resource", [])), texts(object.get(raw, "NotResource", []))),
	"principals": dimension(raw, "Principal", "NotPrincipal", principals(object.get(raw, "Principal", [])), principals(object.get(raw, "NotPrincipal", []))),
	"conditions": {{"operator": operator, "key": lower(key), "values": {sprintf("%v", [value]) | some value in listed(values)}} |
		some operator, keys in object.get(raw, "Condition", {})
		some key, values in keys
	},
}

# {"in": set} or {"out": set}: what is named, or all but that. Named neither way (a trust policy has no resources, a
# policy of an organization no principals): everything.
dimension(raw, name, _, named, _) := {"in": named} if object.get(raw, name, null) != null

dimension(raw, name, inverse, _, excepted) := {"out": excepted} if {
	object.get(raw, name, null) == null
	object.get(raw, inverse, null) != null
}

dimension(raw, name, inverse, _, _) := {"in": {"*"}} if {
	object.get(raw, name, null) == null
	object.get(raw, inverse, null) == null
}

texts(value) := {text | some text in listed(value)}

lowered(value) := {lower(text) | some text in listed(value)}

principals("*") := {"*"}

principals(value) := {named |
	some sort, names in value
	some name in listed(names)
	named := principal(sort, name)
} if {
	is_object(value)
}

principals(value) := set() if is_array(value)

principal("AWS", "*") := "*"

principal("AWS", name) := sprintf("AWS:arn:aws:iam::%s:root", [name]) if regex.match(`^\d{12}$`, name)

principal("AWS", name) := sprintf("AWS:%s", [name]) if {
	name != "*"
	not regex.match(`^\d{12}$`, name)
}

principal(sort, name) := sprintf("%s:%s", [sort, name]) if sort != "AWS"

# `*` and `?` as AWS has them: any text, one character. A `?` does not stand for the other pattern's `*`.
like(pattern, text) if regex.match(concat("", ["^", strings.replace_n({`\*`: ".*", `\?`: "[^*]"}, quoted(pattern)), "$"]), text)

quoted(text) := regex.replace(text, `[.*+?^$(){}|\[\]\\]`, `\$0`)

overlap(one, other) if like(one, other)

overlap(one, other) if like(other, one)

atoms(dimension) := {{"is": name} | some name in dimension.in} if dimension.in

atoms(dimension) := {{"out": dimension.out}} if dimension.out

# Whatever the atom stands for is in the dimension.
contained(atom, dimension) if {
	some pattern in dimension.in
	like(pattern, atom.is)
}

contained(atom, dimension) if {
	atom.is
	every name in dimension.out {
		not overlap(name, atom.is)
	}
}

contained(atom, dimension) if {
	atom.out
	"*" in dimension.in
}

contained(atom, dimension) if {
	every name in dimension.out {
		some excepted in atom.out
		like(excepted, name)
	}
}

# Whatever the statement matches, one of the others does.
covered(one, others) if {
	every action in atoms(one.actions) {
		every resource in atoms(one.resources) {
			every principal_atom in atoms(one.principals) {
				some other in others
				contained(action, other.actions)
				contained(resource, other.resources)
				contained(principal_atom, other.principals)
				conditions_hold(one.conditions, other.conditions)
			}
		}
	}
}

# Where the first conditions are met, the second are.
conditions_hold(given, asked) if {
	every condition in asked {
		some known in given
		known.key == condition.key
		implies(known, condition)
	}
}

implies(known, condition) if {
	known.operator == condition.operator
	known.values == condition.values
}

# An operator with IfExists is also met where the key is absent.
implies(known, condition) if {
	condition.operator in {known.operator, sprintf("%sIfExists", [known.operator])}
	implied_values(known, condition)
}

plain(operator) := regex.replace(operator, `(^For(Any|All)Values:|IfExists$)`, "")

# "None of these" is met more often the fewer are named, "one of these" the more.
implied_values(known, condition) if {
	contains(plain(known.operator), "Not")
	count(condition.values - known.values) == 0
}

implied_values(known, condition) if {
	not contains(plain(known.operator), "Not")
	not regex.match(`(Less|Greater)Than|^Null$`, plain(known.operator))
	count(known.values - condition.values) == 0
}

implied_values(known, condition) if {
	startswith(plain(known.operator), "NumericLessThan")
	max(numbers_of(condition.values)) >= max(numbers_of(known.values))
}

implied_values(known, condition) if {
	startswith(plain(known.operator), "NumericGreaterThan")
	min(numbers_of(condition.values)) <= min(numbers_of(known.values))
}

# An upper bound against slips of the hand is no protection against removal: it may be raised.
implied_values(known, _) if {
	startswith(plain(known.operator), "NumericGreaterThan")
	known.key in data.protected.cap_keys
}

# "Whatever is not GOVERNANCE" may become "whatever is not COMPLIANCE": that is the stronger lock.
implied_values(known, condition) if {
	plain(known.operator) == "StringNotEquals"
	known.key == "s3:object-lock-mode"
	condition.values == {"COMPLIANCE"}
}

numbers_of(values) := {to_number(value) | some value in values}
