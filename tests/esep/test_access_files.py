"""The authority's directory: made once, for its owner alone; an organizer's bundle says all and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from esep.access_files import BROKER, AccessFiles, new_password, read_bundle, write_bundle
from esep.errors import FileUnusable, SettingInvalid
from esep.keys import write_secret
from esep.topics import ADMIN

BIN = "940140000385"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def files(tmp_path: Path) -> AccessFiles:
    made = AccessFiles(tmp_path / "access")
    made.init(["kafka-1.example"])
    return made


def test_secrets_are_for_their_owner_alone(files: AccessFiles) -> None:
    secrets = [files.broker_file, files.directory / "ca.key", *map(files.password_file, (ADMIN, BROKER))]
    assert {mode(path) for path in secrets} == {0o600}
    assert {mode(files.directory), mode(files.directory / "passwords")} == {0o700}
    assert not list(files.directory.rglob("*.part"))


def test_second_authority_is_not_written_over_the_first(files: AccessFiles) -> None:
    before = {path: path.read_bytes() for path in files.directory.rglob("*") if path.is_file()}
    with pytest.raises(FileUnusable, match="not empty"):
        files.init()
    assert {path: path.read_bytes() for path in files.directory.rglob("*") if path.is_file()} == before


def test_renewed_certificate_is_of_the_same_authority_and_has_a_new_key(files: AccessFiles) -> None:
    before, ca = files.broker_file.read_text(), files.ca_file.read_text()
    files.renew(["kafka-1.example"])
    after = files.broker_file.read_text()
    assert files.ca_file.read_text() == ca
    assert after.endswith(ca)
    assert not set(after.removesuffix(ca).splitlines()[1:3]) & set(before.splitlines())
    assert mode(files.broker_file) == 0o600


def test_password_is_made_once_and_kept(files: AccessFiles) -> None:
    assert files.make_password("intake-0")
    password = files.password("intake-0")
    assert not files.make_password("intake-0")
    assert files.password("intake-0") == password
    assert len({new_password() for _ in range(100)} | {password}) == 101


def test_password_that_is_not_there_is_named_with_what_makes_it(files: AccessFiles) -> None:
    with pytest.raises(SettingInvalid, match="passwords/totals-0") as caught:
        files.security("totals-0")
    assert "esep access apply" in caught.value.hint


def test_bundle_gives_the_client_its_address_and_its_properties(files: AccessFiles, tmp_path: Path) -> None:
    password, ca_pem = new_password(), files.ca_file.read_text()
    write_bundle(tmp_path / "handover", BIN, password, ca_pem, "kafka-1.example:9093")
    servers, security = read_bundle(tmp_path / "handover")
    assert servers == "kafka-1.example:9093"
    assert (security["sasl.username"], security["sasl.password"], security["ssl.ca.pem"]) == (BIN, password, ca_pem)
    assert mode(tmp_path / "handover" / "password") == 0o600
    assert {path.name for path in (tmp_path / "handover").iterdir()} == {"ca.crt", "client.properties", "password"}
    assert password not in (tmp_path / "handover" / "client.properties").read_text()


@pytest.mark.parametrize("lacking", ["bootstrap.servers", "sasl.username"])
def test_bundle_that_lacks_a_line_is_refused(files: AccessFiles, tmp_path: Path, lacking: str) -> None:
    write_bundle(tmp_path, BIN, new_password(), files.ca_file.read_text(), "kafka-1.example:9093")
    properties = tmp_path / "client.properties"
    kept = [line for line in properties.read_text().splitlines() if not line.startswith(lacking)]
    properties.write_text("\n".join(kept))
    with pytest.raises(FileUnusable, match=f"does not say {lacking}"):
        read_bundle(tmp_path)


def test_directory_without_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match="holds no client"):
        read_bundle(tmp_path)


def test_secret_replaces_a_file_that_others_could_read(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("old")
    path.chmod(0o644)
    write_secret(path, "new")
    assert (path.read_text(), mode(path)) == ("new", 0o600)
