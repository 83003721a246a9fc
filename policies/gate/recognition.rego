# Which resources are protected: by the mark (a tag), by the module they come from, by their name, because they were
# protected when the inventory was written, or because they are part of a resource that is. protected.json has the lists.
package indelible.gate

kinds := data.protected.types

inventoried := {entry.address | some entry in inventory}

marked(value) if value.tags_all[data.protected.mark]

marked(value) if value.tags[data.protected.mark]

faces(c) := array.concat(c.bases, [c.after | c.after != null])

in_protected_module(c) if {
	c.module != ""
	names := split(trim_prefix(c.module, "module."), ".module.")
	some n in numbers.range(1, count(names))
	key := sprintf("module.%s", [concat(".module.", array.slice(names, 0, n))])
	some name in data.protected.modules
	regex.match(sprintf(`(^|/)modules/%s($|[?/])`, [name]), sources[key])
}

# By itself.
own_right(c) if {
	some face in faces(c)
	marked(face)
}

own_right(c) if in_protected_module(c)

own_right(c) if c.address in inventoried

own_right(c) if c.previous in inventoried

own_right(c) if kinds[c.type].always

own_right(c) if {
	some face in faces(c)
	some attribute in kinds[c.type].identity
	some pattern in data.protected.names[c.type]
	like(pattern, face[attribute])
}

primary contains c.address if {
	some c in changes
	kinds[c.type]
	own_right(c)
}

primary_configs contains c.config if {
	some c in changes
	c.address in primary
}

# What others call it by: [kind, name].
identities contains [kinds[c.type].kind, face[attribute]] if {
	some c in changes
	c.address in primary
	some face in faces(c)
	some attribute in kinds[c.type].identity
	is_string(face[attribute])
}

part contains c.address if {
	some c in changes
	not c.address in primary
	some attribute, kind in kinds[c.type].part_of
	some face in faces(c)
	[kind, face[attribute]] in identities
}

# Part of something that is only made now: its name is not known yet. The configuration tells whether that is a resource
# without a mark; where it doesn't tell, it is taken for protected.
part contains c.address if {
	some c in changes
	not c.address in primary
	count(c.bases) == 0
	some attribute, kind in kinds[c.type].part_of
	unknown(c, [attribute])
	not part_of_other(c, attribute, kind)
}

part_of_other(c, attribute, kind) if {
	named := {sprintf("%s.%s", [parts[0], parts[1]]) |
		some reference in references(c, attribute)
		parts := split(reference, ".")
		count(parts) > 1
	}
	count(named) > 0
	every name in named {
		object.get(kinds, [split(name, ".")[0], "kind"], "") == kind
		not sprintf("%s|%s", [c.module, name]) in primary_configs
	}
}

# A configuration of brokers, a policy: it has no mark that says so, but what is protected uses it.
uses contains [kind, name] if {
	some c in changes
	c.address in (primary | part)
	some kind, path in kinds[c.type].uses
	some face in faces(c)
	name := object.get(face, path, null)
	is_string(name)
}

used contains c.address if {
	some c in changes
	kinds[c.type].used
	some face in faces(c)
	some attribute in kinds[c.type].identity
	[kinds[c.type].kind, face[attribute]] in uses
}

protected_addresses := (primary | part) | used

guarded := [c | some c in changes; c.address in protected_addresses]

# What stays, or comes: here is something to judge.
kept := [c | some c in guarded; c.after != null]

# Nothing was there before, neither it nor what it belongs to: there is nothing that it could weaken. Values that are
# only known later are judged with the next plan, which shows them.
fresh(c) if {
	count(c.bases) == 0
	not joins_existing(c)
}

joins_existing(c) if {
	some attribute, kind in kinds[c.type].part_of
	some other in changes
	other.address in primary
	kinds[other.type].kind == kind
	some base in other.bases
	some name in kinds[other.type].identity
	base[name] == c.after[attribute]
}

# A part whose place is unknown and that may be that of something older is not fresh either.
joins_existing(c) if {
	some attribute, kind in kinds[c.type].part_of
	unknown(c, [attribute])
	every reference in references(c, attribute) {
		not startswith(reference, "aws_")
	}
	some other in changes
	other.address in primary
	kinds[other.type].kind == kind
	count(other.bases) > 0
}
