"""moto's server with a stand-in for what moto lacks: of MSK configurations, SCRAM secrets, bootstrap brokers and
clusters that come up; of S3 a replication configuration that is given back as it was set. It keeps what it is given, as
the API is documented; nothing runs behind it.

    python moto-aws.py -p PORT -H 127.0.0.1
"""

import json
import sys
import time
from typing import Any

from moto.kafka import models, urls
from moto.kafka.exceptions import BadRequestException, NotFoundException
from moto.kafka.responses import KafkaResponse
from moto.s3.responses import S3Response
from moto.server import main


class Configuration:
    def __init__(self, arn: str, given: dict[str, Any]):
        self.arn = arn
        self.name = given["name"]
        self.versions = given.get("kafkaVersions", [])
        self.created = now()
        self.revisions: list[dict[str, Any]] = []
        self.add(given)

    def add(self, given: dict[str, Any]) -> None:
        self.description = given.get("description", "")
        self.revisions.append(
            {
                "creationTime": now(),
                "description": self.description,
                "revision": len(self.revisions) + 1,
                "serverProperties": given["serverProperties"],
            }
        )

    @property
    def latest(self) -> dict[str, Any]:
        return {k: v for k, v in self.revisions[-1].items() if k != "serverProperties"}

    def describe(self) -> dict[str, Any]:
        return {
            "arn": self.arn,
            "creationTime": self.created,
            "description": self.description,
            "kafkaVersions": self.versions,
            "latestRevision": self.latest,
            "name": self.name,
            "state": "ACTIVE",
        }


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


# By ARN, which holds account and region.
configurations: dict[str, Configuration] = {}
secrets: dict[str, list[str]] = {}


class Response(KafkaResponse):
    """Methods are named by the operations of the API; moto finds them so."""

    # moto takes the service's name from the module.
    __module__ = KafkaResponse.__module__

    def arn_of(self, resource: str) -> str:
        return f"arn:{self.partition}:kafka:{self.region}:{self.current_account}:{resource}"

    def found(self) -> Configuration:
        arn = self.uri_match["arn"]
        if arn not in configurations:
            raise NotFoundException(f"there is no configuration {arn}")
        return configurations[arn]

    def create_configuration(self) -> str:
        given = json.loads(self.body)
        arn = self.arn_of(f"configuration/{given['name']}/{self.current_account}-{len(configurations) + 1}")
        if any(c.name == given["name"] and c.arn.rsplit("/", 2)[0] == arn.rsplit("/", 2)[0] for c in configurations.values()):
            raise BadRequestException(f"a configuration {given['name']} exists")
        made = configurations[arn] = Configuration(arn, given)
        return json.dumps(made.describe())

    def describe_configuration(self) -> str:
        return json.dumps(self.found().describe())

    def describe_configuration_revision(self) -> str:
        found = self.found()
        revision = int(self.uri_match["revision"])
        if not 1 <= revision <= len(found.revisions):
            raise NotFoundException(f"{found.arn} has no revision {revision}")
        return json.dumps({"arn": found.arn, **found.revisions[revision - 1]})

    def list_configurations(self) -> str:
        here = self.arn_of("configuration/")
        return json.dumps({"configurations": [c.describe() for c in configurations.values() if c.arn.startswith(here)]})

    def list_configuration_revisions(self) -> str:
        return json.dumps({"revisions": [{k: v for k, v in r.items() if k != "serverProperties"} for r in self.found().revisions]})

    def update_configuration(self) -> str:
        found = self.found()
        found.add(json.loads(self.body))
        return json.dumps({"arn": found.arn, "latestRevision": found.latest})

    def delete_configuration(self) -> str:
        found = self.found()
        del configurations[found.arn]
        return json.dumps({"arn": found.arn, "state": "DELETING"})

    def get_bootstrap_brokers(self) -> str:
        cluster = self.kafka_backend.clusters[self.uri_match["clusterArn"]]
        names = [f"b-{n + 1}.{cluster.cluster_name}.example" for n in range(cluster.number_of_broker_nodes or 1)]
        sasl = (cluster.client_authentication or {}).get("sasl", {})
        answer: dict[str, str] = {}
        if sasl.get("scram", {}).get("enabled"):
            answer["bootstrapBrokerStringSaslScram"] = ",".join(f"{name}:9096" for name in names)
        if sasl.get("iam", {}).get("enabled"):
            answer["bootstrapBrokerStringSaslIam"] = ",".join(f"{name}:9098" for name in names)
        return json.dumps(answer)

    def list_scram_secrets(self) -> str:
        return json.dumps({"secretArnList": secrets.get(self.uri_match["clusterArn"], [])})

    def batch_associate_scram_secret(self) -> str:
        arn = self.uri_match["clusterArn"]
        secrets.setdefault(arn, []).extend(json.loads(self.body)["secretArnList"])
        return json.dumps({"clusterArn": arn, "unprocessedScramSecrets": []})

    def batch_disassociate_scram_secret(self) -> str:
        arn = self.uri_match["clusterArn"]
        gone = json.loads(self.body)["secretArnList"]
        secrets[arn] = [one for one in secrets.get(arn, []) if one not in gone]
        return json.dumps({"clusterArn": arn, "unprocessedScramSecrets": []})


class Cluster(models.FakeKafkaCluster):
    """moto's stays in CREATING for ever, and its ARN lacks the name."""

    __module__ = models.FakeKafkaCluster.__module__

    def __init__(self, *args: Any, **given: Any):
        super().__init__(*args, **given)
        self.state = "ACTIVE"

    def _generate_arn(self) -> str:
        return super()._generate_arn().replace(f"/{self.cluster_id}", f"/{self.cluster_name}/{self.cluster_id}")


read_replication = S3Response._replication_config_from_xml
give_replication = S3Response.get_bucket_replication


def keep_replication_as_set(self: S3Response, xml: Any) -> dict[str, Any]:
    return {**read_replication(self, xml), "AsSet": xml}


def give_replication_as_set(self: S3Response) -> Any:
    """moto's leaves out how SSE-KMS objects are replicated, and says of delete markers what it is not told."""
    kept = self.backend.get_bucket_replication(self.bucket_name)
    return (200, {"Content-Type": "application/xml"}, kept["AsSet"]) if kept else give_replication(self)


S3Response._replication_config_from_xml = keep_replication_as_set  # type: ignore[method-assign]
S3Response.get_bucket_replication = give_replication_as_set  # type: ignore[method-assign]
models.FakeKafkaCluster = Cluster  # type: ignore[misc]
urls.url_paths.update({path: Response.dispatch for path in urls.url_paths})
urls.url_paths.update(
    {
        "{0}/v1/configurations$": Response.dispatch,
        "{0}/v1/configurations/(?P<arn>.+)$": Response.dispatch,
    }
)

if __name__ == "__main__":
    main(sys.argv[1:])
