# Buckets: Object Lock, versions, retention, encryption, who may reach them, replication.
package indelible.gate

refusals contains refusal("object-lock-off", c, "would be without Object Lock", "Set object_lock_enabled = true; a bucket that has it keeps it for ever") if {
	some c in kept
	c.type == "aws_s3_bucket"
	not unknown(c, ["object_lock_enabled"])
	at(c.after, "object_lock_enabled", false) != true
}

refusals contains refusal("force-destroy", c, "force_destroy would let Terraform delete every version, past GOVERNANCE, too", "Set force_destroy = false") if {
	some c in kept
	at(c.after, "force_destroy", false) == true
}

refusals contains refusal(
	"inline-setting", c, sprintf("%s stands in the bucket's own block, where the gate does not follow it", [setting]),
	"Use the resource that is made for it, such as aws_s3_bucket_lifecycle_configuration",
) if {
	some c in kept
	c.type == "aws_s3_bucket"
	some setting in data.protected.inline_bucket_settings
	expression := written[c.config].expressions[setting]
	expression != {}
}

refusals contains refusal("versioning-off", c, sprintf("versions would be %s", [status]), "Set versioning_configuration.status = \"Enabled\"") if {
	some c in kept
	c.type == "aws_s3_bucket_versioning"
	not unknown(c, ["versioning_configuration"])
	status := at(c.after, ["versioning_configuration", 0, "status"], "unset")
	status != "Enabled"
}

retention(value) := at(value, ["rule", 0, "default_retention", 0], {})

days(default_retention) := at(default_retention, "days", 0) + (365 * at(default_retention, "years", 0))

locked_defaults(c) if {
	c.type == "aws_s3_bucket_object_lock_configuration"
	not unknown(c, ["rule"])
}

refusals contains refusal("retention-removed", c, "the bucket would have no default retention", "Put rule.default_retention back") if {
	some c in kept
	locked_defaults(c)
	days(retention(c.after)) == 0
}

refusals contains refusal(
	"retention-shortened", c, sprintf("the default retention would go from %v days to %v", [days(retention(base)), days(retention(c.after))]),
	"Keep it, or raise it",
) if {
	some c in kept
	locked_defaults(c)
	some base in c.bases
	days(retention(c.after)) > 0
	days(retention(c.after)) < days(retention(base))
}

refusals contains refusal("retention-mode-lowered", c, "the default retention would go from COMPLIANCE to GOVERNANCE", "Keep COMPLIANCE") if {
	some c in kept
	locked_defaults(c)
	some base in c.bases
	retention(base).mode == "COMPLIANCE"
	at(retention(c.after), "mode", "none") == "GOVERNANCE"
}

refusals contains refusal("public-access-opened", c, sprintf("%s would not be true", [flag]), "Set all four flags to true") if {
	some c in kept
	c.type == "aws_s3_bucket_public_access_block"
	some flag in kinds[c.type].judged
	not unknown(c, [flag])
	at(c.after, flag, false) != true
}

refusals contains refusal("public-access-opened", c, sprintf("the ACL would be %s", [acl]), "Remove the ACL: rights come from policies alone") if {
	some c in kept
	c.type == "aws_s3_bucket_acl"
	acl := at(c.after, "acl", "a list of grants")
	acl != "private"
}

refusals contains refusal("ownership-changed", c, "the bucket's owner would not own each object in it", "Set object_ownership = \"BucketOwnerEnforced\"") if {
	some c in kept
	c.type == "aws_s3_bucket_ownership_controls"
	not unknown(c, ["rule"])
	at(c.after, ["rule", 0, "object_ownership"], "") != "BucketOwnerEnforced"
}

cipher(value) := at(value, ["rule", 0, "apply_server_side_encryption_by_default", 0], {})

strength := {"": 0, "AES256": 1, "aws:kms": 2, "aws:kms:dsse": 3}

refusals contains refusal(
	"encryption-weakened", c, sprintf("the default encryption would go from %s to %s", [at(cipher(base), "sse_algorithm", "none"), at(cipher(c.after), "sse_algorithm", "none")]),
	"Keep the algorithm",
) if {
	some c in kept
	c.type == "aws_s3_bucket_server_side_encryption_configuration"
	not unknown(c, ["rule"])
	some base in c.bases
	object.get(strength, at(cipher(c.after), "sse_algorithm", ""), 0) < object.get(strength, at(cipher(base), "sse_algorithm", ""), 0)
}

# The account's own default key, or one whose policy the gate does not know.
refusals contains refusal("encryption-weakened", c, sprintf("objects would be encrypted with %s instead of %s", [after_key, base_key]), "Keep the key, or take one that is protected as that is") if {
	some c in kept
	c.type == "aws_s3_bucket_server_side_encryption_configuration"
	not unknown(c, ["rule"])
	some base in c.bases
	base_key := at(cipher(base), "kms_master_key_id", "")
	base_key != ""
	at(cipher(c.after), "sse_algorithm", "") != "AES256"
	after_key := at(cipher(c.after), "kms_master_key_id", "the account's default key")
	after_key != base_key
	not ["key", after_key] in identities
}

replication_rules(value) := listed(object.get(value, "rule", null))

replicates(c) if {
	c.type == "aws_s3_bucket_replication_configuration"
	not unknown(c, ["rule"])
}

refusals contains refusal("replication-off", c, sprintf("the replication rule %s would be disabled", [object.get(rule, "id", "")]), "Set its status to Enabled") if {
	some c in kept
	replicates(c)
	some rule in replication_rules(c.after)
	rule.status != "Enabled"
}

refusals contains refusal(
	"replication-off", c, sprintf("the replication rule %s would go, or take in fewer objects", [object.get(rule, "id", "")]),
	"Put the rule and its filter back",
) if {
	some c in kept
	replicates(c)
	some base in c.bases
	some rule in replication_rules(base)
	rule.status == "Enabled"
	every other in replication_rules(c.after) {
		not takes_in(other, rule)
	}
}

takes_in(other, rule) if reach(other) == reach(rule)

takes_in(other, _) if reach(other) == {"prefix": "", "tags": {}}

reach(rule) := {"prefix": prefix, "tags": tags} if {
	prefix := concat("", {text |
		some path in [["prefix"], ["filter", 0, "prefix"], ["filter", 0, "and", 0, "prefix"]]
		text := at(rule, path, "")
	})
	tags := {path: value |
		some path in [["filter", 0, "tag"], ["filter", 0, "and", 0, "tags"]]
		value := at(rule, path, {})
		count(value) > 0
	}
}

refusals contains refusal("replication-markers", c, "delete markers would be replicated, and hide the copies, too", "Set delete_marker_replication.status = \"Disabled\"") if {
	some c in kept
	replicates(c)
	some rule in replication_rules(c.after)
	at(rule, ["delete_marker_replication", 0, "status"], "Disabled") != "Disabled"
}

destinations(value) := {[at(rule, ["destination", 0, "bucket"], ""), at(rule, ["destination", 0, "account"], "")] | some rule in replication_rules(value)}

refusals contains refusal("replication-redirected", c, "the copies would go to another bucket or account", "Put the destination back") if {
	some c in kept
	replicates(c)
	some base in c.bases
	some destination in destinations(base)
	not destination in destinations(c.after)
	count(replication_rules(c.after)) >= count(replication_rules(base))
}

account_of(arn) := split(arn, ":")[4]

refusals contains refusal("replication-redirected", c, sprintf("the role that replicates would be %s, of another account", [c.after.role]), "Put the role back") if {
	some c in kept
	c.type == "aws_s3_bucket_replication_configuration"
	some base in c.bases
	account_of(c.after.role) != account_of(base.role)
}
