"""Who is let in, from where, with what."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from esep.embedded.clickhouse.answers import QueryError
from esep.embedded.clickhouse.users import Credentials, authenticate, read_users
from esep.errors import FileUnusable

SECRET = "tоtаl izаtоr 1!"


@pytest.fixture
def users_file(tmp_path: Path) -> Path:
    path = tmp_path / "users.json"
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    path.write_text(json.dumps({"default": {}, "analyst": {"password_sha256": digest, "loopback_only": False}}))
    return path


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1"])
def test_default_user_needs_no_password_on_loopback(peer: str) -> None:
    assert authenticate(read_users(None), Credentials(), peer).name == "default"


@pytest.mark.parametrize("peer", ["10.0.0.7", "2a00:1450::1", ""])
def test_default_user_is_asked_who_it_is_from_elsewhere(peer: str) -> None:
    with pytest.raises(QueryError) as refused:
        authenticate(read_users(None), Credentials(), peer)
    assert (refused.value.code, refused.value.status) == (194, 401)


def test_password_opens_from_everywhere_if_the_file_says_so(users_file: Path) -> None:
    credentials = Credentials(name="analyst", password=SECRET, given=True)
    assert authenticate(read_users(users_file), credentials, "10.0.0.7").name == "analyst"


@pytest.mark.parametrize(
    ("name", "password"), [("analyst", ""), ("analyst", "qwerty"), ("nobody", SECRET), ("default", "x")]
)
def test_wrong_password_and_unknown_user_get_the_same_answer(users_file: Path, name: str, password: str) -> None:
    with pytest.raises(QueryError) as refused:
        authenticate(read_users(users_file), Credentials(name=name, password=password, given=True), "127.0.0.1")
    assert refused.value.status == 403
    assert str(refused.value).endswith("no user with such name from here. (AUTHENTICATION_FAILED)")


@pytest.mark.parametrize("content", ["", "[]", '{"a": {"password": "x"}}', '{"a": {"password_sha256": "x"}}'])
def test_users_file_that_is_none_is_refused_without_quoting_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "users.json").write_text(content)
    with pytest.raises(FileUnusable) as refused:
        read_users(tmp_path / "users.json")
    assert "password" not in (refused.value.detail or "")
