"""The topic `compliance.rules`: files of rules as they were put in force, read and written.

Reads     the topic, committed records only, under no consumer group; the file that the settings name
Writes    a file with its instant; before the first one the file that was in force until then, in one transaction
Promises  each file is kept as it was, for ever; only one writer at a time; a file is in force from its instant on, no
          sooner than a minute after the broker's stamp on it, so that by then every reader knows of it (decision 0046)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from esep.clock import to_ms
from esep.codec import decode_one, encode_one
from esep.errors import InvariantBroken, SettingInvalid
from esep.followed_topic import CATCH_UP_S_MAX, FollowedTopic
from esep.lineage import TopicPartition
from esep.lone_writer import LoneWriter, Message
from esep.rule_files import AHEAD_MS_MIN, RuleFile, RuleFiles
from esep.rules import RULES_FILE, load_rules, parse_rules
from esep.schemas import schema
from esep.security import PLAIN
from esep.topics import ALERTS_STAGE, RULES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import confluent_kafka as ck

    from esep.rules import RuleSet

_RULE_FILE = schema("rule_file")
_TRANSACTIONAL_ID = "esep-rules"


def configured(rules_file: Path | None) -> RuleFile:
    """Return what is in force as long as nothing was ever put in force. rules_file: as the settings have it."""
    rules = load_rules(rules_file)
    return RuleFile(1, 0, (rules_file or RULES_FILE).read_text(encoding="utf-8"), rules)


class RuleFileReader(FollowedTopic):
    """Reads the topic from its beginning on and on; `files` is what was read so far, or what is configured.

    group: a name that the reader may use.
    """

    def __init__(
        self,
        first: RuleFile,
        bootstrap_servers: str,
        security: Mapping[str, str] = PLAIN,
        group: str = ALERTS_STAGE,
    ) -> None:
        super().__init__(RULES, self._add_all, bootstrap_servers, group, security)
        self.files = RuleFiles([first])
        self.is_empty = True  # Nothing was ever put in force.
        self._is_in_use = False

    def catch_up(self, received_ms: int = 0, seconds_max: float = CATCH_UP_S_MAX) -> None:
        """Return once all is read that may be in force for what was received by then (ms UTC)."""
        super().catch_up(received_ms, seconds_max)
        self._is_in_use = True

    def _add_all(self, messages: list[ck.Message]) -> None:
        for message in messages:
            file = _file_of(message)
            if file.number != (1 if self.is_empty else len(self.files.files) + 1):
                raise InvariantBroken(f"{RULES}: offset {message.offset()} holds file {file.number} out of turn")
            if self.is_empty:
                self._begin_with(file)
            else:
                self.files.files.append(file)

    def _begin_with(self, file: RuleFile) -> None:
        configured = self.files.files[0]
        if self._is_in_use and configured.rules != file.rules:
            raise SettingInvalid(
                "the rules by which this process works are not those that were in force according to whoever put others"
                " in force",
                detail=f"SHA-256 here: {configured.sha256}, there: {file.sha256}",
                hint="ESEP_RULES_FILE is to be the same everywhere; started again, it works by what the topic says",
            )
        self.files.files[0], self.is_empty = file, False


class RuleFileWriter:
    """The one who may put a file in force now: `open`, then read all there is, then `put`."""

    def __init__(self, bootstrap_servers: str, security: Mapping[str, str] = PLAIN) -> None:
        self._writer = LoneWriter(bootstrap_servers, _TRANSACTIONAL_ID, "a file of rules", security)
        self.open = self._writer.open

    def put(self, known: RuleFileReader, text: str, rules: RuleSet, from_ms: int) -> None:
        """Commit a file after those that are known, from an instant on. Raises what `LoneWriter.write` raises."""
        files = known.files.files
        message = _message(RuleFile(len(files) + 1, from_ms, text, rules))
        if known.is_empty:
            self._writer.write(_message(files[0]), lambda _: [message])
        else:
            self._writer.write(message)


def _message(file: RuleFile) -> Message:
    record = {"number": file.number, "in_force_at": file.from_ms, "sha256": file.sha256, "content": file.text}
    return Message(TopicPartition(RULES, 0), str(file.number).encode(), encode_one(record, _RULE_FILE), [])


def _file_of(message: ck.Message) -> RuleFile:
    try:
        record: dict[str, Any] = decode_one(message.value() or b"", _RULE_FILE)
    except ValueError as error:
        raise InvariantBroken(
            f"{RULES}: offset {message.offset()} holds no file of rules",
            hint="somebody else writes there; see `esep access plan`",
        ) from error
    number, published_ms = record["number"], message.timestamp()[1]
    from_ms = max(to_ms(record["in_force_at"]), published_ms + AHEAD_MS_MIN) if number > 1 else 0
    rules = parse_rules(record["content"], f"file {number} of {RULES}")
    file = RuleFile(number, from_ms, record["content"], rules, published_ms)
    if file.sha256 != record["sha256"]:
        raise InvariantBroken(f"{RULES}: the file at offset {message.offset()} is not the one that was put there")
    return file
