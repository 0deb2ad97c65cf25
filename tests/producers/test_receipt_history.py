"""What lies on a topic of receipts is read to its end, committed ones only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esep.errors import BrokerUnavailable, SettingInvalid
from esep.producers.receipt_history import receipts_there
from esep.producers.receipts import open_receipt
from esep.security import PLAIN
from tests.producers.bets import new_bin
from tests.producers.test_receipt_reader import Writer
from tests.support.receipt_signing import ROOT_CERTIFICATE

if TYPE_CHECKING:
    from tests.support.brokers import Broker

pytestmark = pytest.mark.kafka


def test_all_that_is_committed_is_read_from_the_oldest_and_then_it_ends(broker: Broker, organizer: str) -> None:
    assert list(receipts_there(organizer, broker.bootstrap_servers, PLAIN)) == []
    writer = Writer(broker.bootstrap_servers, organizer)
    writer.write(3, 4)
    writer.write(5, commit=False)
    writer.write(*range(6, 1_006))
    found = list(receipts_there(organizer, broker.bootstrap_servers, PLAIN))
    through = [open_receipt(value, ROOT_CERTIFICATE).through_offset for value in found]
    assert through == [3, 4, *range(6, 1_006)]


def test_topic_that_is_not_there_and_broker_that_is_silent_are_told(broker: Broker) -> None:
    with pytest.raises(SettingInvalid, match="there is no topic"):
        list(receipts_there(new_bin(), broker.bootstrap_servers, PLAIN))
    with pytest.raises(BrokerUnavailable, match="did not take or give"):
        list(receipts_there(new_bin(), "127.0.0.1:1", PLAIN, news_s_max=0.5))
