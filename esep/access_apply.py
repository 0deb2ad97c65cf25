"""Bring the brokers to what the access plan says: users, rights, quotas.

Reads     what the brokers have; the access plan; the authority's files
Writes    SCRAM users, ACLs, quotas; password files of our own principals that have none
Promises  safe to repeat: what is as planned is not touched; rights of principals that are not ours are left alone; an
          organizer that was revoked stays shut out until it is issued anew, whatever is applied (clause O9-4.2)
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from esep.access import Grant, is_ours
from esep.access_files import new_password
from esep.admin import no_broker
from esep.errors import BrokerUnavailable, SettingInvalid
from esep.identifiers import is_bin
from esep.kafka_quotas import QuotaChange, alter_user_quotas, user_quotas
from esep.kafka_wire import connect

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from esep.access import AccessPlan
    from esep.access_files import AccessFiles

_ANSWER_S = 30.0
_ASK_AGAIN_S = 0.02
_ITERATIONS = 8192  # Twice what Kafka asks for at the least; our passwords are 256 random bits in any case.
_ANYTHING = "*"


@dataclass
class Difference:
    """What was changed."""

    users_made: list[str] = field(default_factory=list)
    grants_added: list[Grant] = field(default_factory=list)
    grants_removed: list[Grant] = field(default_factory=list)
    quotas_set: list[QuotaChange] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether everything was as planned."""
        return not (self.users_made or self.grants_added or self.grants_removed or self.quotas_set)


class Authority:
    """The brokers' users, rights and quotas, as the principal admin sees them.

    Raises BrokerUnavailable if nobody answers, SettingInvalid if this principal may not see them.
    """

    def __init__(self, bootstrap_servers: str, security: Mapping[str, str]) -> None:
        # Asked first: of a principal that may not, librdkafka 2.16 tells no rights at all and aborts over its users.
        user_quotas(bootstrap_servers, security)
        self._servers = bootstrap_servers
        self._security = dict(security)
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, **security, "log_level": 0})

    def apply(self, plan: AccessPlan, files: AccessFiles) -> Difference:
        """Make users of our own principals, then rights and quotas of all, as planned; return what was changed.

        An organizer's user is made by `issue` alone, for its password is the organizer's.
        """
        made = self._make_users([name for name in plan.principals if not is_bin(name)], files)
        present = {grant for grant in self.grants() if is_ours(grant.principal)}
        added, removed = sorted(plan.grants - present), sorted(present - plan.grants)
        self._create([_allowed(grant) for grant in added])
        self._delete([_allowed(grant) for grant in removed])
        self._until_granted(set(added), set(removed))
        return Difference(made, added, removed, self._set_quotas(plan))

    def issue(self, organizer_bin: str) -> str:
        """Give an organizer a new password and return it; an older one is good no more, a revocation has ended.

        What is connected with an older one stays so until it connects anew: to end that too, revoke first.
        """
        password = new_password()
        self._delete([_shut_out(organizer_bin, kind) for kind in _EVERYWHERE])
        self._upsert(organizer_bin, password)
        return password

    def revoke(self, organizer_bin: str) -> None:
        """Shut an organizer out at once, on connections that are open too; safe to repeat.

        It keeps a password that nobody knows, for a user must not be deleted: a broker of Kafka 4.3 that starts after
        that may forget all users, and lets nobody in any more (KAFKA-20774).
        """
        self._create([_shut_out(organizer_bin, kind) for kind in _EVERYWHERE])
        self._upsert(organizer_bin, new_password())

    def users(self) -> set[str]:
        """Return the names of all users that have a password."""
        [described] = self._wait([self._admin.describe_user_scram_credentials(request_timeout=_ANSWER_S)])
        return set(described)

    def grants(self) -> set[Grant]:
        """Return every right that is granted to a user, wherever from."""
        any_acl = AclBindingFilter(
            ResourceType.ANY,
            None,
            ResourcePatternType.ANY,
            None,
            None,
            AclOperation.ANY,
            AclPermissionType.ALLOW,
        )
        [bindings] = self._wait([self._admin.describe_acls(any_acl, request_timeout=_ANSWER_S)])
        return {_grant(binding) for binding in bindings}

    def _make_users(self, principals: list[str], files: AccessFiles) -> list[str]:
        known = self.users()
        made = []
        for principal in principals:
            if files.make_password(principal) or principal not in known:
                self._upsert(principal, files.password(principal))
                made.append(principal)
        return made

    def _upsert(self, user: str, password: str) -> None:
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
        upsertion = UserScramCredentialUpsertion(user, info, password.encode())
        self._wait(self._admin.alter_user_scram_credentials([upsertion]).values())
        self._until_login(user, password)

    def _until_login(self, user: str, password: str) -> None:
        """Return once every broker accepts this password, and so none before: the controller answers first."""
        security = {**self._security, "sasl.username": user, "sasl.password": password}
        deadline = time.monotonic() + _ANSWER_S
        for server in self._servers.split(","):
            while not _logs_in(server, security):
                if time.monotonic() > deadline:
                    raise BrokerUnavailable(f"Kafka at {server} does not take up the change of {user}")
                time.sleep(_ASK_AGAIN_S)

    def _until_granted(self, added: set[Grant], removed: set[Grant]) -> None:
        """Return once the broker that is asked tells these changes: the controller answers before the brokers know."""
        deadline = time.monotonic() + _ANSWER_S
        while (added or removed) and not (added <= (told := self.grants()) and removed.isdisjoint(told)):
            if time.monotonic() > deadline:
                raise BrokerUnavailable(f"Kafka at {self._servers} does not take up the change of rights")
            time.sleep(_ASK_AGAIN_S)

    def _set_quotas(self, plan: AccessPlan) -> list[QuotaChange]:
        planned = {(quota.principal, quota.key): quota.value for quota in plan.quotas}
        present = {key: value for key, value in user_quotas(self._servers, self._security).items() if is_ours(key[0])}
        changes = [QuotaChange(*key, value) for key, value in sorted(planned.items()) if present.get(key) != value]
        changes += [QuotaChange(*key, None) for key in sorted(present.keys() - planned.keys())]
        if changes:
            alter_user_quotas(self._servers, self._security, changes)
        return changes

    def _create(self, bindings: list[AclBinding]) -> None:
        if bindings:
            self._wait(self._admin.create_acls(bindings, request_timeout=_ANSWER_S).values())

    def _delete(self, bindings: list[AclBinding]) -> None:
        if bindings:
            self._wait(self._admin.delete_acls([_filter(one) for one in bindings], request_timeout=_ANSWER_S).values())

    def _wait(self, futures: Iterable[Any]) -> list[Any]:
        try:
            return [future.result(timeout=_ANSWER_S) for future in futures]
        except TimeoutError as error:
            raise BrokerUnavailable(f"Kafka at {self._servers} has not answered after {_ANSWER_S:.0f} s") from error
        except KafkaException as error:
            if error.args[0].code() in {KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.SECURITY_DISABLED}:
                raise SettingInvalid("the rights at the brokers cannot be changed", detail=str(error)) from error
            raise no_broker(self._servers, error) from error


_EVERYWHERE = (ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID)


def _logs_in(server: str, security: Mapping[str, str]) -> bool:
    """Return whether a broker answers and accepts a password."""
    try:
        connect(server, security, _ANSWER_S).close()
    except (SettingInvalid, OSError):
        return False
    return True


def _allowed(grant: Grant) -> AclBinding:
    return AclBinding(
        ResourceType[grant.kind],
        grant.name,
        ResourcePatternType[grant.pattern],
        f"User:{grant.principal}",
        _ANYTHING,
        AclOperation[grant.operation],
        AclPermissionType.ALLOW,
    )


def _shut_out(principal: str, kind: ResourceType) -> AclBinding:
    return AclBinding(
        kind,
        _ANYTHING,
        ResourcePatternType.LITERAL,
        f"User:{principal}",
        _ANYTHING,
        AclOperation.ALL,
        AclPermissionType.DENY,
    )


def _filter(binding: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def _grant(binding: AclBinding) -> Grant:
    return Grant(
        binding.principal.removeprefix("User:"),
        {ResourceType.BROKER: "CLUSTER"}.get(binding.restype, binding.restype.name),
        binding.resource_pattern_type.name,
        binding.name,
        binding.operation.name,
    )
