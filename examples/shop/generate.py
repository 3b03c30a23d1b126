#!/usr/bin/env python3
"""
Write a CSV of invented orders for `replay.py`: the same seed gives the same file.

    python examples/shop/generate.py --orders 1000 --seed 7 > orders.csv
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

COLUMNS: Final = (
    "order_id",
    "customer_id",
    "status",
    "purchased_at",
    "approved_at",
    "handed_to_carrier_at",
    "delivered_at",
    "estimated_delivery",
)

# How many of a thousand orders end so; the rest is delivered.
_ENDINGS: Final = (("canceled", 10), ("unavailable", 8), ("processing", 12), ("shipped", 20))
_FIRST_DAY: Final = datetime(2024, 1, 1, tzinfo=UTC)
_DAYS: Final = 365


def orders(count: int, seed: int) -> Iterator[dict[str, str]]:
    """Yield *count* rows; every fifth order or so comes from a customer who has ordered before."""
    dice = random.Random(seed)
    customers: list[str] = []
    for _ in range(count):
        if not customers or dice.random() >= 0.2:
            customers.append(f"{dice.getrandbits(64):016x}")
        yield _order(dice, customers[dice.randrange(len(customers))])


def _order(dice: random.Random, customer: str) -> dict[str, str]:
    status = _ending(dice)
    bought = _FIRST_DAY + timedelta(minutes=dice.randrange(_DAYS * 24 * 60))
    approved = bought + timedelta(minutes=dice.randrange(1, 3 * 24 * 60))
    shipped = approved + timedelta(minutes=dice.randrange(60, 4 * 24 * 60))
    arrived = shipped + timedelta(minutes=dice.randrange(24 * 60, 15 * 24 * 60))
    has_shipped = status in {"shipped", "delivered"}
    has_approval = has_shipped or status == "processing" or dice.random() < 0.5
    return {
        "order_id": f"{dice.getrandbits(64):016x}",
        "customer_id": customer,
        "status": status,
        "purchased_at": bought.isoformat(),
        "approved_at": approved.isoformat() if has_approval else "",
        "handed_to_carrier_at": shipped.isoformat() if has_shipped else "",
        "delivered_at": arrived.isoformat() if status == "delivered" else "",
        "estimated_delivery": (bought + timedelta(days=21)).date().isoformat(),
    }


def _ending(dice: random.Random) -> str:
    place = dice.randrange(1000)
    for status, share in _ENDINGS:
        if place < share:
            return status
        place -= share
    return "delivered"


def main() -> int:
    parser = argparse.ArgumentParser(description="Write invented orders as CSV.")
    parser.add_argument("--orders", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    arguments = parser.parse_args()
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(orders(arguments.orders, arguments.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
