# Keys: a key that is gone or off makes the log unreadable, or stops it.
package indelible.gate

refusals contains refusal("key-disabled", c, "the key would be disabled", "Set is_enabled = true") if {
	some c in kept
	startswith(c.type, "aws_kms_")
	at(c.after, "is_enabled", true) == false
	not unknown(c, ["is_enabled"])
}

refusals contains refusal("key-disabled", c, "the key would be disabled", "Set enabled = true") if {
	some c in kept
	startswith(c.type, "aws_kms_")
	at(c.after, "enabled", true) == false
	not unknown(c, ["enabled"])
}

window(value) := at(value, "deletion_window_in_days", 30)

refusals contains refusal(
	"key-window-lowered", c, sprintf("a deletion of the key would be noticed within %v days instead of %v", [window(c.after), window(base)]),
	"Keep deletion_window_in_days, or raise it",
) if {
	some c in kept
	kinds[c.type].kind == "key"
	not unknown(c, ["deletion_window_in_days"])
	some base in c.bases
	window(c.after) < window(base)
}

refusals contains refusal("key-rotation-off", c, "the key's material would not be rotated any more", "Set enable_key_rotation = true") if {
	some c in kept
	kinds[c.type].kind == "key"
	some base in c.bases
	base.enable_key_rotation == true
	at(c.after, "enable_key_rotation", false) == false
	not unknown(c, ["enable_key_rotation"])
}

refusals contains refusal("key-alias-moved", c, "the alias would name another key", "Let it name the key that is protected") if {
	some c in kept
	c.type == "aws_kms_alias"
	some base in c.bases
	not unknown(c, ["target_key_id"])
	c.after.target_key_id != base.target_key_id
}

refusals contains refusal("key-granted", c, "a grant would give rights on the key past its policy", "Leave it out, and name the role in the key's policy") if {
	some c in kept
	c.type == "aws_kms_grant"
	c.actions != {"no-op"}
}
