# The mirror: its cluster, the settings of its brokers, its topics.
package indelible.gate

refusals contains refusal("encryption-weakened", c, sprintf("traffic of clients would be %s", [transit]), "Set client_broker = \"TLS\"") if {
	some c in kept
	c.type == "aws_msk_cluster"
	transit := at(c.after, ["encryption_info", 0, "encryption_in_transit", 0, "client_broker"], "TLS")
	transit != "TLS"
}

refusals contains refusal("encryption-weakened", c, "traffic between brokers would not be encrypted", "Set in_cluster = true") if {
	some c in kept
	c.type == "aws_msk_cluster"
	at(c.after, ["encryption_info", 0, "encryption_in_transit", 0, "in_cluster"], true) == false
}

rest_key(value) := at(value, ["encryption_info", 0, "encryption_at_rest_kms_key_arn"], "")

refusals contains refusal("encryption-weakened", c, "the brokers' disks would be encrypted with another key", "Put encryption_at_rest_kms_key_arn back") if {
	some c in kept
	c.type == "aws_msk_cluster"
	not unknown(c, ["encryption_info"])
	some base in c.bases
	rest_key(base) != ""
	rest_key(base) != rest_key(c.after)
	not ["key", rest_key(c.after)] in identities
}

refusals contains refusal("clients-unauthenticated", c, "clients could connect without saying who they are", "Set client_authentication.unauthenticated = false") if {
	some c in kept
	c.type == "aws_msk_cluster"
	at(c.after, ["client_authentication", 0, "unauthenticated"], false) == true
}

iam_clients(value) if at(value, ["client_authentication", 0, "sasl", 0, "iam"], false) == true

refusals contains refusal("clients-unauthenticated", c, "clients would not be known by their IAM role any more, and IAM policies would not bind them", "Set client_authentication.sasl.iam = true") if {
	some c in kept
	c.type == "aws_msk_cluster"
	not unknown(c, ["client_authentication"])
	some base in c.bases
	iam_clients(base)
	not iam_clients(c.after)
}

refusals contains refusal("public-access-opened", c, sprintf("the brokers would have %s", [access]), "Set public_access.type = \"DISABLED\"") if {
	some c in kept
	c.type == "aws_msk_cluster"
	access := at(c.after, ["broker_node_group_info", 0, "connectivity_info", 0, "public_access", 0, "type"], "DISABLED")
	access != "DISABLED"
}

configuration(value, field, fallback) := at(value, ["configuration_info", 0, field], fallback)

refusals contains refusal("kafka-configuration-detached", c, "the brokers would not use their configuration any more", "Put configuration_info back, with the newest revision") if {
	some c in kept
	c.type == "aws_msk_cluster"
	some base in c.bases
	configuration(base, "arn", "") != ""
	detached(c, base)
}

detached(c, base) if {
	not unknown(c, ["configuration_info", 0, "arn"])
	configuration(c.after, "arn", "") != configuration(base, "arn", "")
}

detached(c, base) if {
	not unknown(c, ["configuration_info"])
	configuration(c.after, "revision", 0) < configuration(base, "revision", 0)
}

# A revision that comes with the apply: that of the configuration itself, or anything.
detached(c, _) if {
	unknown(c, ["configuration_info"])
	named := references(c, "configuration_info")
	not newest_revision(named)
}

newest_revision(named) if {
	some reference in named
	endswith(reference, ".latest_revision")
	every each in named {
		startswith(each, "aws_msk_configuration.")
	}
}

# `name = value`, one a line.
properties(text) := {key: value |
	some line in split(text, "\n")
	pair := regex.find_all_string_submatch_n(`^\s*([^#=\s][^=\s]*)\s*=\s*(.*?)\s*$`, line, 1)
	key := pair[0][1]
	value := pair[0][2]
}

brokers(value) := properties(at(value, "server_properties", ""))

set_up(c) if {
	c.type == "aws_msk_configuration"
	not unknown(c, ["server_properties"])
}

refusals contains refusal(
	"kafka-properties-weakened", c, sprintf("%s would be %s", [key, object.get(brokers(c.after), key, "unset")]),
	sprintf("Set %s=%s", [key, value]),
) if {
	some c in kept
	set_up(c)
	some key, value in data.protected.broker_properties
	object.get(brokers(c.after), key, "unset") != value
}

refusals contains refusal("kafka-properties-weakened", c, sprintf("%s would go from %s to %s", [key, value, object.get(brokers(c.after), key, "unset")]), "Keep the value, or raise it") if {
	some c in kept
	set_up(c)
	some base in c.bases
	some key, value in brokers(base)
	lower_is_weaker(key)
	amount(value) > amount(object.get(brokers(c.after), key, "0"))
}

lower_is_weaker(key) if key in {"min.insync.replicas", "default.replication.factor", "offsets.topic.replication.factor", "transaction.state.log.replication.factor", "transaction.state.log.min.isr"}

lower_is_weaker(key) if regex.match(`^(log\.)?(local\.)?retention\.(ms|minutes|hours|bytes)$`, key)

# A number, where -1 is without a limit; anything else is the least.
amount(text) := 1e30 if regex.match(`^-\d+$`, text)

amount(text) := to_number(text) if regex.match(`^\d+$`, text)

amount(text) := 0 if not regex.match(`^-?\d+$`, text)

topic_types := {"kafka_topic", "aws_msk_topic", "confluent_kafka_topic"}

topic_settings(value) := at(value, "config", {})

refusals contains refusal("topic-weakened", c, sprintf("%s would be %s", [key, got]), sprintf("Set %s=%s", [key, value])) if {
	some c in kept
	c.type in topic_types
	not unknown(c, ["config"])
	some key, value in data.protected.topic_settings_kept
	got := object.get(topic_settings(c.after), key, value)
	got != value
	not compacted_before(c, key, got)
}

# The cursors are compacted from the beginning; what never was may not become so.
compacted_before(c, "cleanup.policy", "compact") if {
	count(c.bases) == 0
	some attribute in kinds[c.type].identity
	endswith(c.after[attribute], ".cursors")
}

compacted_before(c, key, got) if {
	some base in c.bases
	topic_settings(base)[key] == got
}

refusals contains refusal("topic-weakened", c, sprintf("%s would go from %s to %s", [key, value, object.get(topic_settings(c.after), key, "unset")]), "Keep the value, or raise it") if {
	some c in kept
	c.type in topic_types
	not unknown(c, ["config"])
	some base in c.bases
	some key, value in topic_settings(base)
	lower_is_weaker(key)
	amount(value) > amount(object.get(topic_settings(c.after), key, "0"))
}

refusals contains refusal("topic-weakened", c, sprintf("it would have %v copies instead of %v", [c.after.replication_factor, base.replication_factor]), "Keep the number of copies, or raise it") if {
	some c in kept
	c.type in topic_types
	some base in c.bases
	c.after.replication_factor < base.replication_factor
}

refusals contains refusal("kafka-acl-widened", c, sprintf("%s would be allowed %s", [at(c.after, "acl_principal", "somebody"), c.after.acl_operation]), "Leave the rule out: nobody deletes or alters these topics") if {
	some c in kept
	c.type == "kafka_acl"
	c.after.acl_permission_type == "Allow"
	c.after.acl_operation in {"All", "Alter", "AlterConfigs", "Delete", "ClusterAction"}
}

refusals contains refusal("kafka-acl-widened", c, "a rule that denies would go", "Put it back") if {
	some c in guarded
	c.type == "kafka_acl"
	some base in c.bases
	base.acl_permission_type == "Deny"
	denied_no_more(c)
}

denied_no_more(c) if c.after == null

denied_no_more(c) if c.after.acl_permission_type != "Deny"
