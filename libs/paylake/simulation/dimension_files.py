"""The people and merchants of a simulation as the files that their sources would deliver, one CSV per dimension."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from paylake.simulation.dimensions import COUNTRIES, Country, Customer, Dimensions, Merchant, build_dimensions, countries_of

Row = Mapping[str, str]

MERCHANT_CODES: dict[str, str] = {
    "grocery": "5411", "fuel": "5541", "travel": "4722", "utilities": "4900", "electronics": "5732", "dining": "5812",
    "pharmacy": "5912", "gaming": "5816",
}  # fmt: skip
"""Category -> its merchant category code (ISO 18245)."""

PSPS: tuple[str, ...] = ("adyen", "stripe", "paypal", "checkout")
KYC_SHARES: dict[str, float] = {"VERIFIED": 0.93, "PENDING": 0.03, "EXPIRED": 0.02, "NONE": 0.015, "REJECTED": 0.005}
PEP_SHARE = 0.005
LEVELS: tuple[str, ...] = ("LOW", "MEDIUM", "HIGH")

POPULAR, CHANGED = 40, 6
"""How many of the busiest merchants are candidates for another risk level in mid-day, and how many get one."""
BLACKLISTED_USERS, BLACKLISTED_MERCHANTS = 4, 2
UNUSUAL_MULTIPLE = 100
"""A regional limit, in median payments of its country: about one payment in 2,500 is larger."""

NOON, CHANGE_KNOWN = timedelta(hours=12), timedelta(hours=12, minutes=5)


def write_dimensions(seed: int, currencies: str, business_date: date, folder: Path) -> list[Path]:
    """The paths of the users.csv, merchants.csv, locations.csv and policies.csv that it writes into the folder.

    The people are those of the payments of the same seed and currencies; the same arguments write the same bytes.
    Everything is delivered before the business date, but for the merchants whose risk level changes at its noon and the
    user who is blacklisted then.
    """
    people = build_dimensions(seed, currencies)
    at_home = [COUNTRIES[i] for i in countries_of(currencies)]
    rng = np.random.default_rng([seed, 5])
    midnight = datetime.combine(business_date, datetime.min.time(), tzinfo=UTC)
    files: dict[str, Iterable[Row]] = {
        "users": _users(people.customers, midnight, rng),
        "merchants": _merchants(people.merchants, at_home[0], midnight, rng),
        "locations": _locations(people.customers, midnight, rng),
        "policies": _policies(people, at_home, midnight, rng),
    }
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder / f"{name}.csv", list(rows)) for name, rows in files.items()]


def location_id(country: str, city: str) -> str:
    """How a city is named in locations.csv: a payment's country and city make the same."""
    return f"{country}-{city}"


def _users(customers: Sequence[Customer], midnight: datetime, rng: np.random.Generator) -> Iterator[Row]:
    statuses = rng.choice(list(KYC_SHARES), len(customers), p=list(KYC_SHARES.values()))
    ratings = rng.choice(LEVELS, len(customers), p=(0.85, 0.12, 0.03))
    is_pep = rng.random(len(customers)) < PEP_SHARE
    days = rng.integers(1, 365, len(customers))
    for customer, status, rating, pep, day in zip(customers, statuses, ratings, is_pep, days.tolist(), strict=True):
        since = _onboarded(midnight, day + 30)
        ends = {"VERIFIED": timedelta(days=day), "EXPIRED": -timedelta(days=day)}.get(str(status))
        yield {
            "user_id": customer.user_id,
            "home_country": COUNTRIES[customer.country].code,
            "home_city": customer.city,
            "kyc_status": str(status),
            "kyc_level": "full" if status == "VERIFIED" else "",
            "kyc_expires_on": "" if ends is None else (midnight + ends).date().isoformat(),
            "risk_rating": "HIGH" if pep else str(rating),
            "is_pep": "true" if pep else "false",
            "onboarding_date": since.date().isoformat(),
            **_validity(since, midnight),
        }


def _merchants(merchants: Sequence[Merchant], seat: Country, midnight: datetime, rng: np.random.Generator) -> Iterator[Row]:
    """Every merchant, and a second version of those whose risk level changes at noon."""
    changed = set(rng.choice(POPULAR, CHANGED, replace=False).tolist())
    days = rng.integers(60, 1500, len(merchants)).tolist()
    psps = rng.choice(PSPS, len(merchants)).tolist()
    for place, (merchant, day, psp) in enumerate(zip(merchants, days, psps, strict=True)):
        since = _onboarded(midnight, day)
        first = {
            "merchant_id": merchant.merchant_id,
            "merchant_name": merchant.merchant_name,
            "category": merchant.category,
            "mcc": MERCHANT_CODES[merchant.category],
            "risk_level": merchant.risk_level,
            "onboarding_date": since.date().isoformat(),
            "country": seat.code,
            "psp": psp,
            **_validity(since, midnight),
        }
        yield first
        if place in changed:
            other = "HIGH" if merchant.risk_level != "HIGH" else "LOW"
            yield first | {"risk_level": other} | _validity(midnight + NOON, midnight + CHANGE_KNOWN)


def _locations(customers: Sequence[Customer], midnight: datetime, rng: np.random.Generator) -> Iterator[Row]:
    places = sorted({(COUNTRIES[customer.country].code, customer.city) for customer in customers})
    offsets = {country.code: country.utc_offset for country in COUNTRIES}
    levels = rng.choice(LEVELS, len(places), p=(0.8, 0.15, 0.05)).tolist()
    for (country, city), level in zip(places, levels, strict=True):
        yield {
            "location_id": location_id(country, city),
            "city": city,
            "country": country,
            "risk_level": level,
            "utc_offset": offsets[country],
            **_validity(_onboarded(midnight, 1500), midnight),
        }


def _policies(people: Dimensions, at_home: Sequence[Country], midnight: datetime, rng: np.random.Generator) -> Iterator[Row]:
    """A few of each type, among them one suspended, one that is over, and one that begins at noon."""
    year = _validity(_onboarded(midnight, 365), midnight)
    over = {"valid_to": midnight.isoformat()}
    yield _policy("KYC-1", "KYC", "A payer must be identified: kyc_status VERIFIED.") | year
    yield _policy("KYC-2", "KYC", "The identification must not have expired: kyc_expires_on is not past.") | year
    yield _policy("AML-1", "AML", "Payments of politically exposed persons are looked at.") | year
    for country in at_home:
        where = {"subject_type": "COUNTRY", "subject_id": country.code, "jurisdiction": country.code,
                 "limit_currency": country.currency}  # fmt: skip
        limit = country.median * UNUSUAL_MULTIPLE
        yield _policy(f"AML-{country.code}", "AML", "A payment of this size is looked at.") | where | {
            "limit_amount": str(limit // 2)} | year  # fmt: skip
        yield _policy(f"LIMIT-{country.code}", "REGIONAL_LIMIT", "A single payment stays below the limit.") | where | {
            "limit_amount": str(limit)} | year  # fmt: skip
        yield _policy(f"LIMIT-OLD-{country.code}", "REGIONAL_LIMIT", "The limit until the business date.") | where | {
            "limit_amount": str(limit // 10)} | year | over  # fmt: skip
    users = rng.choice(len(people.customers), BLACKLISTED_USERS, replace=False).tolist()
    merchants = rng.choice(np.arange(POPULAR, len(people.merchants)), BLACKLISTED_MERCHANTS, replace=False).tolist()
    subjects = [
        *(("USER", people.customers[i].user_id) for i in users),
        *(("MERCHANT", people.merchants[i].merchant_id) for i in merchants),
    ]
    for number, (kind, subject) in enumerate(subjects, 1):
        when = year
        if number == 1:  # the first user is blacklisted while the day runs
            when = _validity(midnight + NOON, midnight + CHANGE_KNOWN)
        listed = _policy(f"BLACKLIST-{number}", "BLACKLIST", f"No payment of this {kind.lower()} is let through.")
        is_suspended = {"active_flag": "false"} if number == 2 else {}
        yield listed | {"subject_type": kind, "subject_id": subject} | is_suspended | when


def _policy(policy_id: str, policy_type: str, rule: str) -> dict[str, str]:
    """A policy of everybody, everywhere, without a limit."""
    return {
        "policy_id": policy_id,
        "policy_type": policy_type,
        "rule_description": rule,
        "subject_type": "ALL",
        "subject_id": "",
        "jurisdiction": "*",
        "limit_amount": "",
        "limit_currency": "",
        "rule_version": "1",
        "active_flag": "true",
        "valid_to": "",
    }


def _onboarded(midnight: datetime, days: int) -> datetime:
    return midnight - timedelta(days=days)


def _validity(since: datetime, delivered_at: datetime) -> dict[str, str]:
    return {"valid_from": since.isoformat(), "delivered_at": delivered_at.isoformat()}


def _write(path: Path, rows: Sequence[Row]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path
