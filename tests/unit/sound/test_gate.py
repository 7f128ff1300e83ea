"""Who gets the page, and who the sound."""

from __future__ import annotations

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request

from earmark.tui.sound.speaker.gate import Gate, Refused

HOST = "127.0.0.1:8750"


def request(path: str, *headers: tuple[str, str], host: str | None = HOST) -> Request:
    made = Headers([("Host", host)] if host is not None else [])
    for name, value in headers:
        made[name] = value
    return Request(path, made)


def cookie_of(gate: Gate, host: str = HOST) -> str:
    """What a browser brings after it has opened the address."""
    return gate.page(request(gate.path, host=host)).cookie.partition(";")[0]


def test_the_address_works_once_and_the_cookie_afterwards() -> None:
    gate = Gate()
    path = gate.path
    given = gate.page(request(path)).cookie
    assert {"HttpOnly", "SameSite=Strict"} <= {part.strip() for part in given.split(";")}
    brought = ("Cookie", given.partition(";")[0])
    with pytest.raises(Refused):
        gate.page(request(path))
    for reload in (path, "/"):
        assert gate.page(request(reload, brought)).cookie == given


def test_a_spent_address_makes_a_new_one_and_a_wrong_one_does_not() -> None:
    gate = Gate()
    path = gate.path
    for wrong in ("/", "/x", path[:-1], path + "x", f"{path}/", f"/{path}", f"{path}?", "/\xff"):
        with pytest.raises(Refused):
            gate.page(request(wrong))
    assert not gate.renewed
    assert gate.path == path
    cookie_of(gate)
    assert gate.path != path
    with pytest.raises(Refused):
        gate.page(request(path))
    assert gate.renewed
    cookie_of(gate)


def test_addresses_are_long_and_drawn_anew() -> None:
    paths = {Gate().path for _ in range(20)}
    assert len(paths) == 20
    assert min(map(len, paths)) > 40


@pytest.mark.parametrize("host", ["127.0.0.1:8750", "127.0.0.1:1234", "127.0.0.1", "localhost:9000", "localhost"])
def test_the_tunnel_may_have_another_port(host: str) -> None:
    gate = Gate()
    brought = ("Cookie", cookie_of(gate, host))
    gate.sound(request("/sound/click/x", ("Origin", f"http://{host}"), brought, host=host))


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example:8750",
        "127.0.0.1.evil.example",
        "127.0.0.1:8750.evil.example",
        "localhost.evil.example",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:8750@evil.example",
        "10.0.0.1:8750",
        "0.0.0.0:8750",
    ],
)
def test_another_host_is_refused_and_spends_nothing(host: str | None) -> None:
    gate = Gate()
    path = gate.path
    with pytest.raises(Refused):
        gate.page(request(path, host=host))
    assert gate.path == path
    brought = ("Cookie", cookie_of(gate))
    with pytest.raises(Refused):
        gate.sound(request("/sound/click/x", ("Origin", f"http://{host}"), brought, host=host))


def test_two_hosts_are_none() -> None:
    gate = Gate()
    with pytest.raises(Refused):
        gate.page(request(gate.path, ("Host", HOST)))


@pytest.mark.parametrize(
    "origins",
    [
        [],
        ["null"],
        ["http://evil.example"],
        ["http://127.0.0.1:9999"],
        ["http://localhost:8750"],
        ["https://127.0.0.1:8750"],
        [f"http://{HOST}", "http://evil.example"],
    ],
)
def test_another_origin_gets_no_sound(origins: list[str]) -> None:
    gate = Gate()
    brought = ("Cookie", cookie_of(gate))
    gate.sound(request("/sound/click/x", ("Origin", f"http://{HOST}"), brought))
    with pytest.raises(Refused):
        gate.sound(request("/sound/click/x", *[("Origin", origin) for origin in origins], brought))


def test_no_sound_without_the_cookie_of_this_port() -> None:
    gate = Gate()
    name, _, value = cookie_of(gate).partition("=")
    for cookies in ([], [f"{name}="], [f"{name}=x"], [f"earmark-9={value}"], [f"{name}={value}x"], ["; ;=;"]):
        with pytest.raises(Refused):
            gate.sound(request("/sound/click/x", ("Origin", f"http://{HOST}"), *[("Cookie", each) for each in cookies]))
    among = ("Cookie", f"other=1; {name}={value}; more=2")
    gate.sound(request("/sound/click/x", ("Origin", f"http://{HOST}"), among))


def test_the_page_is_only_fetched() -> None:
    gate = Gate()
    asked = request(gate.path)
    object.__setattr__(asked, "method", "HEAD")
    with pytest.raises(Refused):
        gate.page(asked)
    cookie_of(gate)
