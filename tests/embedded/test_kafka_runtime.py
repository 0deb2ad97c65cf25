from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from esep.embedded.java import Java, find_java
from esep.embedded.kafka_runtime import FLAGS, LOG_SETTINGS, KafkaRuntime, argument_file, format_arguments

JAVA = Java(Path("/opt/java/bin/java"), 21, 'openjdk version "21.0.4" 2026-01-20')
RUNTIME = KafkaRuntime(JAVA, (Path("/cache/kafka_2.13-4.2.1.jar"), Path("/cache/slf4j-api-1.7.36.jar")))
PROPERTIES = Path("/data/server.properties")


def test_every_command_has_the_same_flags_and_class_path():
    """Java refuses an archive that was made under another class path or collector."""
    commands = [
        RUNTIME.format_command(PROPERTIES, "MkU3OEVBNTcwNTJENDM2Qg"),
        RUNTIME.broker_command(PROPERTIES, Path("/data/broker.log")),
        RUNTIME.archive_command(Path("/cache/classes.list"), Path("/cache/kafka.jsa")),
    ]
    for command in commands:
        assert command[0] == str(JAVA.path)
        assert command[1 : len(FLAGS) + 1] == list(FLAGS)
        assert command[command.index("-cp") + 1] == "/cache/kafka_2.13-4.2.1.jar:/cache/slf4j-api-1.7.36.jar"


def test_archive_is_used_where_there_is_one():
    assert not any("SharedArchive" in part for part in RUNTIME.broker_command(PROPERTIES, Path("/data/broker.log")))
    with_archive = replace(RUNTIME, archive=Path("/cache/kafka.jsa"))
    assert "-XX:SharedArchiveFile=/cache/kafka.jsa" in with_archive.broker_command(PROPERTIES, Path("/data/broker.log"))


def test_another_java_or_other_jars_have_an_archive_of_their_own():
    others = [
        replace(RUNTIME, java=replace(JAVA, build='openjdk version "21.0.5" 2026-04-20')),
        replace(RUNTIME, java=replace(JAVA, path=Path("/usr/bin/java"))),
        replace(RUNTIME, jars=RUNTIME.jars[:1]),
    ]
    assert len({each.archive_name for each in (RUNTIME, *others)}) == 4
    assert replace(RUNTIME, archive=Path("/cache/kafka.jsa")).archive_name == RUNTIME.archive_name


def test_options_for_other_java_programs_do_not_reach_the_broker(monkeypatch):
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx8m")
    monkeypatch.setenv("ESEP_ORDINAL", "0")
    environment = RUNTIME.environment()
    assert "JAVA_TOOL_OPTIONS" not in environment
    assert environment["ESEP_ORDINAL"] == "0"
    assert environment["LC_ALL"] == "C.UTF-8"


def test_log_settings_are_in_the_package():
    assert "${sys:esep.broker.log}" in LOG_SETTINGS.read_text()


def test_passwords_of_the_first_users_stand_in_a_file_and_on_no_command_line():
    told = format_arguments(PROPERTIES, "MkU3OEVBNTcwNTJENDM2Qg", {"admin": "vR3p-4kQ", "broker": "t7_Lm"})
    assert told[-1] == "SCRAM-SHA-512=[name=broker,password=t7_Lm]"
    command = RUNTIME.format_command_from(PROPERTIES, Path("/data/format.args"))
    assert command[-1] == "@/data/format.args"
    assert not any("vR3p-4kQ" in part for part in command)
    assert "--add-scram" not in RUNTIME.format_command(PROPERTIES, "MkU3OEVBNTcwNTJENDM2Qg")


@pytest.mark.parametrize(
    "argument", ["plain", 'a "quoted" one', "C:\\data\\новый", "# no comment", "@file", "two words"]
)
def test_java_reads_from_the_file_what_was_written(tmp_path, argument):
    """By Java itself: the value of a property, which it prints among its settings."""
    (tmp_path / "arguments").write_text(argument_file([f"-Dtold={argument}", "-XshowSettings:properties", "-version"]))
    java = [str(find_java().path), "-Dsun.jnu.encoding=UTF-8", "-Dfile.encoding=UTF-8", "-Dstderr.encoding=UTF-8"]
    said = subprocess.run(
        [*java, f"@{tmp_path / 'arguments'}"],
        capture_output=True,
        env={"LC_ALL": "C.UTF-8"},
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    assert f"    told = {argument}\n" in said.stderr
