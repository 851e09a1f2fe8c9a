from __future__ import annotations

from ipaddress import ip_address, ip_network

from pytest_smtp4d.intercept.reserved import Reserved


def test_a_name_has_one_address_of_each_family() -> None:
    """The same name gets the same address, another name another; all are reserved for nobody."""
    reserved = Reserved()
    first, second = (reserved.address(name, ipv6=False) for name in ("a.example", "b.example"))
    assert first != second
    assert reserved.address("a.example", ipv6=False) == first
    assert ip_address(first) in ip_network("198.18.0.0/15")
    assert ip_address(reserved.address("a.example", ipv6=True)) in ip_network("100::/64")


def test_an_address_tells_its_name() -> None:
    """In both families, and as an IPv4 address inside an IPv6 one; other addresses stand for no name."""
    reserved = Reserved()
    for ipv6 in (False, True):
        assert reserved.name(reserved.address("a.example", ipv6=ipv6)) == "a.example"
    mapped = str(ip_address(f"::ffff:{reserved.address('a.example', ipv6=False)}"))
    assert reserved.name(mapped) == "a.example"
    for other in ("198.18.0.2", "198.19.255.255", "192.0.2.1", "100::2", "2001:db8::1", "smtp.example.com"):
        assert reserved.name(other) is None


def test_when_all_are_taken_the_oldest_gives_way() -> None:
    """Whatever a run resolves, no address ever stands for two names."""
    reserved = Reserved()
    oldest = reserved.address("0.example", ipv6=False)
    for number in range(1, 2**17 - 2):
        reserved.address(f"{number}.example", ipv6=False)
    assert reserved.name(oldest) == "0.example"
    assert reserved.address("new.example", ipv6=False) == oldest
    assert reserved.name(oldest) == "new.example"
    assert reserved.address("0.example", ipv6=False) != oldest
