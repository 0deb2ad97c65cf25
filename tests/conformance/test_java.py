"""Apache's own Avro and Kafka libraries, in Java, read the golden files as we wrote them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MISSING = [name for name in ("javac", "mvn") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"Java's check of the golden files needs {' and '.join(MISSING)}")


def run(root: Path, build: Path) -> subprocess.CompletedProcess[str]:
    """Run `make conformance-java`'s command on the golden files below a folder."""
    command = ["mvn", "--batch-mode", "--quiet", "--file", str(ROOT / "conformance" / "java" / "pom.xml")]
    command += ["compile", "exec:java", f"-Dexec.args={root}", f"-Dbuild.folder={build}"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    if "Could not transfer" in answer.stdout or "has not been downloaded" in answer.stdout:
        pytest.skip("Maven cannot fetch the libraries here")
    return answer


def test_java_agrees_on_every_record_partition_instrument_and_receipt(tmp_path: Path) -> None:
    """Clause D934-42: the contract is what the schema says, whoever reads it."""
    answer = run(ROOT, tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    records = (ROOT / "conformance" / "records.jsonl").read_text(encoding="utf-8").splitlines()
    assert f"records {sum(json.loads(line)['fields'] is not None for line in records)}" in answer.stdout
    assert "receipts 8" in answer.stdout


def test_java_notices_what_differs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "conformance", tmp_path / "conformance", ignore=shutil.ignore_patterns("java"))
    changes = {
        "records.jsonl": ('"amount_tiyn": 50000', '"amount_tiyn": 50001'),
        "partitions.jsonl": ('"murmur2": ', '"murmur2": 1'),
        "receipts.jsonl": ('"genuine": true', '"genuine": false'),
    }
    for name, (was, now) in changes.items():
        path = tmp_path / "conformance" / name
        path.write_text(path.read_text(encoding="utf-8").replace(was, now, 1), encoding="utf-8")
    answer = run(tmp_path, tmp_path / "build")
    assert answer.returncode != 0
    for what in ("wager-plain: fields", "murmur2", "genuine-1: genuine"):
        assert what in answer.stdout + answer.stderr
