# Lifecycle rules act with S3's own rights, past any bucket policy: they may move objects of the log to colder classes,
# late enough, and nothing else.
package indelible.gate

lifecycle_rules(value) := [rule |
	some rule in listed(object.get(value, "rule", null))
	object.get(rule, "status", "Enabled") == "Enabled"
]

tiers(c) if {
	c.type == "aws_s3_bucket_lifecycle_configuration"
	not unknown(c, ["rule"])
}

prefix_of(rule) := concat("", {text |
	some path in [["prefix"], ["filter", 0, "prefix"], ["filter", 0, "and", 0, "prefix"]]
	text := at(rule, path, "")
})

in_self_test(rule) if startswith(prefix_of(rule), data.protected.self_test_prefix)

expires(rule) if at(rule, ["expiration", 0, "days"], 0) > 0

expires(rule) if at(rule, ["expiration", 0, "date"], "") != ""

expires(rule) if at(rule, ["expiration", 0, "expired_object_delete_marker"], false) == true

refusals contains refusal(
	"expiration-added", c, sprintf("the lifecycle rule %s would put a delete marker on current objects, or take markers away", [rule.id]),
	sprintf("Take its expiration out; only objects below %s may expire", [data.protected.self_test_prefix]),
) if {
	some c in kept
	tiers(c)
	some rule in lifecycle_rules(c.after)
	expires(rule)
	not in_self_test(rule)
}

refusals contains refusal(
	"noncurrent-expiration-added", c, sprintf("the lifecycle rule %s would delete older versions, and the oldest version of a key is the entry", [rule.id]),
	sprintf("Take its noncurrent_version_expiration out; only versions below %s may expire", [data.protected.self_test_prefix]),
) if {
	some c in kept
	tiers(c)
	some rule in lifecycle_rules(c.after)
	count(at(rule, ["noncurrent_version_expiration", 0], {})) > 0
	not in_self_test(rule)
}

by_tag(rule) if count(at(rule, ["filter", 0, "tag", 0], {})) > 0

by_tag(rule) if count(at(rule, ["filter", 0, "and", 0, "tags"], {})) > 0

refusals contains refusal(
	"lifecycle-by-tag", c, sprintf("the lifecycle rule %s goes by a tag, so whoever may tag an object decides what becomes of it", [rule.id]),
	"Filter by prefix",
) if {
	some c in kept
	tiers(c)
	some rule in lifecycle_rules(c.after)
	by_tag(rule)
}

# After how many days objects lie where a read takes hours. A date has passed or will pass for old and new objects alike.
cold_days(value) := {move.days |
	some move in cold_moves(value)
}

cold_moves(value) := [move |
	some rule in lifecycle_rules(value)
	not in_self_test(rule)
	some [list, field] in [["transition", "days"], ["noncurrent_version_transition", "noncurrent_days"]]
	some transition in listed(object.get(rule, list, null))
	transition.storage_class in data.protected.cold_classes
	move := {"rule": rule.id, "days": cold_after(transition, field)}
]

cold_after(transition, field) := 0 if {
	at(transition, "date", "") != ""
} else := at(transition, field, 0)

refusals contains refusal(
	"transition-early", c, sprintf("the lifecycle rule %s would move objects to where a read takes hours after %v days", [move.rule, move.days]),
	sprintf("Leave them at hand for %v days or more", [data.protected.at_hand_days]),
) if {
	some c in kept
	tiers(c)
	some move in cold_moves(c.after)
	move.days < data.protected.at_hand_days
}

refusals contains refusal(
	"transition-early", c, sprintf("objects would lie where a read takes hours after %v days instead of %v", [min(cold_days(c.after)), min(cold_days(base))]),
	"Keep the period, or raise it",
) if {
	some c in kept
	tiers(c)
	some base in c.bases
	min(cold_days(c.after)) >= data.protected.at_hand_days
	min(cold_days(c.after)) < min(cold_days(base))
}

refusals contains refusal("transition-early", c, sprintf("objects would be archived %v days after they were last read", [tier.days]), "Take the tiering out") if {
	some c in kept
	c.type == "aws_s3_bucket_intelligent_tiering_configuration"
	object.get(c.after, "status", "Enabled") == "Enabled"
	some tier in listed(object.get(c.after, "tiering", null))
	tier.days < data.protected.at_hand_days
}
