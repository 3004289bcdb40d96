"""Invented personal data and secrets, in sentences, and texts that only look like them."""

from __future__ import annotations

import string
from functools import partial

DIGITS, LETTERS = string.digits, string.ascii_letters
NAMES = ("maria", "john.smith", "li_wei", "a.khan", "sofia-r", "o.brien77", "test+list")
HOSTS = ("gmail.com", "example.org", "mail.example.co.uk", "web.de", "xn--bcher-kva.example")


def drawn(rng, signs, n):
    return "".join(signs[at] for at in rng.integers(0, len(signs), n))


def hexadecimal(rng, n):
    return drawn(rng, "0123456789abcdef", n)


def luhn(rng, start, n):
    """A number of n digits with a valid check digit."""
    body = start + drawn(rng, DIGITS, n - len(start) - 1)
    total = sum(sum(divmod(int(d) * (2 - at % 2), 10)) for at, d in enumerate(reversed(body)))
    return body + str(-total % 10)


def iban(rng, country, n):
    body = drawn(rng, DIGITS, n)
    number = body + "".join(str(int(sign, 36)) for sign in country) + "00"
    return f"{country}{98 - int(number) % 97:02d}{body}"


def spaced(text, n=4, sign=" "):
    return sign.join(text[at : at + n] for at in range(0, len(text), n))


def us(rng):
    """Area code, exchange and line of a telephone number in the USA."""
    area = ("212", "415", "312", "617", "702", "503")[rng.integers(6)]
    return area, str(rng.integers(2, 10)) + drawn(rng, DIGITS, 2), drawn(rng, DIGITS, 4)


def pick(rng, *ways):
    return ways[rng.integers(len(ways))]


def email(rng):
    return f"{pick(rng, *NAMES)}@{pick(rng, *HOSTS)}"


def email_spelled(rng):
    return pick(rng, "{} at {}", "{} AT {}").format(
        pick(rng, *NAMES), pick(rng, *HOSTS).replace(".", " dot ")
    )


def phone_us(rng):
    parts = us(rng)
    return pick(rng, "({}) {}-{}", "{}-{}-{}", "{}.{}.{}", "+1 {} {} {}", "{} {} {}").format(*parts)


def phone_us_plain(rng):
    return "".join(us(rng))


def phone_abroad(rng):
    d = partial(drawn, rng, DIGITS)
    return pick(
        rng, f"+44 20 7{d(3)} {d(4)}", f"+49 30 {d(8)}", f"+33 6 {spaced(d(8), 2)}", f"+447{d(9)}"
    )


def phone_gb(rng):
    return pick(
        rng, f"020 7{drawn(rng, DIGITS, 3)} {drawn(rng, DIGITS, 4)}", "07" + drawn(rng, DIGITS, 9)
    )


def card(rng):
    number = pick(rng, luhn(rng, "4", 16), luhn(rng, "52", 16), luhn(rng, "37", 15))
    return pick(rng, number, spaced(number), spaced(number, 4, "-"))


def account(rng):
    number = pick(rng, iban(rng, "DE", 18), iban(rng, "FR", 23), iban(rng, "ES", 20))
    return pick(rng, number, spaced(number))


def address(rng):
    four = ".".join(str(rng.integers(1, 255)) for _ in range(4))
    return pick(rng, four, ":".join(hexadecimal(rng, 4) for _ in range(8)))


def ssn(rng):
    return f"{rng.integers(100, 665)}-{rng.integers(10, 99)}-{rng.integers(1000, 9999)}"


def person(rng):
    return f"{pick(rng, 'Maria', 'John', 'Wei', 'Sofia')} {pick(rng, 'Lopez', 'Miller', 'Zhang')}"


def street(rng):
    name = pick(rng, "Oak", "Main", "Elm")
    return f"{rng.integers(10, 999)} {name} Street, Apt {rng.integers(1, 30)}"


PERSONAL = {
    "email": (email, "write to {}", "my address is {}"),
    "email, spelled": (email_spelled, "write to {}", "mail {}"),
    "phone, US": (phone_us, "call me at {}", "ask for me, {}"),
    "phone, US, 10 digits": (phone_us_plain, "call me at {}", "text {}"),
    "phone, +country": (phone_abroad, "call me at {}", "my number is {}"),
    "phone, GB, no prefix": (phone_gb, "call me at {}", "my number is {}"),
    "card": (card, "they charged {}", "my card {} was declined"),
    "iban": (account, "send the refund to {}", "my account is {}"),
    "ip": (address, "posted from {}", "my router is {}"),
    "ssn": (ssn, "they asked for my SSN, {}", "my number is {}"),
    "name": (person, "my waiter was {}", "ask for {}"),
    "street": (street, "I live at {}", "deliver to {}"),
}
TOKENS = {
    "aws key": lambda rng: (
        pick(rng, "AKIA", "ASIA") + drawn(rng, string.ascii_uppercase + "234567", 16)
    ),
    "github token": lambda rng: pick(
        rng,
        "ghp_" + drawn(rng, LETTERS + DIGITS, 36),
        f"github_pat_{drawn(rng, LETTERS + DIGITS, 22)}_{drawn(rng, LETTERS + DIGITS, 59)}",
    ),
    "slack token": lambda rng: (
        f"xoxb-{drawn(rng, DIGITS, 12)}-{drawn(rng, DIGITS, 12)}-"
        + drawn(rng, LETTERS + DIGITS, 24)
    ),
    "model API key": lambda rng: pick(
        rng, "sk-" + drawn(rng, LETTERS + DIGITS, 48), "hf_" + drawn(rng, LETTERS, 34)
    ),
    "stripe, google": lambda rng: pick(
        rng,
        "sk_live_" + drawn(rng, LETTERS + DIGITS, 24),
        "AIza" + drawn(rng, LETTERS + DIGITS, 35),
    ),
    "JWT": lambda rng: ".".join(
        (
            "eyJ" + drawn(rng, LETTERS + DIGITS, 33),
            "eyJ" + drawn(rng, LETTERS + DIGITS, 60),
            drawn(rng, LETTERS + DIGITS + "-_", 43),
        )
    ),
    "private key": lambda rng: (
        "-----BEGIN RSA PRIVATE KEY-----\n"
        + spaced(drawn(rng, LETTERS + DIGITS, 256), 64, "\n")
        + "\n-----END RSA PRIVATE KEY-----"
    ),
    "password in a URL": lambda rng: "app:" + drawn(rng, LETTERS + DIGITS, 14),
    "password = ...": lambda rng: (
        f"{pick(rng, 'password', 'api_key', 'token')}"
        f"{pick(rng, ' = ', ': ', '=')}{drawn(rng, LETTERS, 8)}{drawn(rng, DIGITS, 4)}"
    ),
    "password, in words": lambda rng: (
        "my password is " + drawn(rng, LETTERS, 7) + drawn(rng, DIGITS, 2)
    ),
    "bare key": lambda rng: drawn(rng, LETTERS + DIGITS + "+/", 40),
}
SECRETS = {
    kind: (make, "use {} for it", "they left {} on the screen") for kind, make in TOKENS.items()
}
SECRETS["password in a URL"] = (TOKENS["password in a URL"], "use postgres://{}@db.example.org/x")


def off_by_one(number):
    """The number with an invalid check digit."""
    return number[:-1] + str((int(number[-1]) + 1) % 10)


LIKE = {
    "order number": lambda rng: f"my order {off_by_one(luhn(rng, '4', 16))} never came",
    "price": lambda rng: (
        f"we paid ${rng.integers(10, 99)}.{rng.integers(10, 99)} for {rng.integers(2, 9)}"
    ),
    "version": lambda rng: (
        f"their app, version {'.'.join(str(n) for n in rng.integers(1, 99, 4))}, hangs"
    ),
    "date": lambda rng: (
        f"we went on {rng.integers(1, 12):02d}-{rng.integers(1, 28):02d}-20{rng.integers(10, 25)}"
    ),
    "at a time": lambda rng: f"meet @ {rng.integers(1, 12)}.{rng.integers(10, 59)} pm",
    "handle": lambda rng: f"thanks to @{pick(rng, 'bobs_diner', 'chef.ana', 'tacos4u')}",
    "isbn": lambda rng: (
        f"their cook book, ISBN 978-0-{'-'.join(drawn(rng, DIGITS, n) for n in (3, 5, 1))}"
    ),
    "zip": lambda rng: (
        f"in {pick(rng, 'Phoenix', 'Vegas')} {drawn(rng, DIGITS, 5)}-{drawn(rng, DIGITS, 4)}"
    ),
    "parcel": lambda rng: f"parcel {drawn(rng, DIGITS, 12)} was late",
    "commit": lambda rng: f"see commit {hexadecimal(rng, 40)}",
    "uuid": lambda rng: f"ticket {'-'.join(hexadecimal(rng, n) for n in (8, 4, 4, 4, 12))}",
    "link": lambda rng: (
        f"see https://example.org/menu/{drawn(rng, LETTERS, 12)}?id={drawn(rng, DIGITS, 8)}"
    ),
    "placeholder": lambda rng: pick(
        rng, "password: required", "token = <your token>", "api_key=YOUR_API_KEY"
    ),
}
