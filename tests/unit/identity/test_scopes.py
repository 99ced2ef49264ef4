"""Which models a scope allows, and which addresses a list."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.identity.places import address_allowed
from smartoken.identity.scopes import allows

TABLE = """
                        | test/alpha            | yes | no pattern allows every model
test/alpha              | test/alpha            | yes | the id itself
test/alpha              | test/alpha2           | no  | a longer id
test/alpha              | est/alpha             | no  | a shorter id
test/alpha              | TEST/Alpha            | yes | ids are case-insensitive
Test/ALPHA              | test/alpha            | yes | and patterns too
test/*                  | test/alpha            | yes | a family
test/*                  | test/                 | yes | nothing is a match for any characters
test/*                  | tests/alpha           | no  | another family that begins so
test/*                  | mytest/alpha          | no  | another family that ends so
*                       | anything/at-all       | yes | everything
*/glm-5.2               | zhipu/glm-5.2         | yes | one model of any family
*/glm-5.2               | zhipu/glm-5x2         | no  | a dot is a dot
*/glm-5.2               | zhipu/glm-5.2-air     | no  | the end counts
test/*-mini             | test/alpha-mini       | yes | in the middle
test/*-mini             | test/alpha-mini-2     | no  | the end counts
a*b*c                   | axxbyyc               | yes | several
a*b*c                   | axxc                  | no  | all of them in order
test/alpha,test/beta    | test/beta             | yes | any of several
test/alpha,test/beta    | test/gamma            | no  | none of several
test/[ab]               | test/a                | no  | brackets are not special
test/[ab]               | test/[ab]             | yes | they stand for themselves
test/?                  | test/a                | no  | nor is the question mark
test/?                  | test/?                | yes | it stands for itself
test/a+                 | test/aa               | no  | nor any sign of a regular expression
test/a+                 | test/a+               | yes | it stands for itself
test/(a|b)              | test/a                | no  | nor groups
test\\d                 | test1                 | no  | nor classes
^test$                  | test                  | no  | nor anchors
"""
ROWS = [tuple(part.strip() for part in line.split(" | ")) for line in TABLE.strip("\n").splitlines()]


@pytest.mark.parametrize(("patterns", "model", "verdict", "why"), ROWS, ids=[row[3] for row in ROWS])
def test_a_scope_allows_what_its_patterns_say(patterns, model, verdict, why):
    assert allows(tuple(each for each in patterns.split(",") if each), model) == (verdict == "yes")


@given(st.text(max_size=30))
def test_a_model_is_allowed_by_its_own_id(model):
    assert allows((model.replace("*", ""),), model.replace("*", ""))


def test_a_hostile_pattern_takes_no_time():
    assert not allows(("*a" * 30 + "b",), "a" * 200)


ADDRESSES = """
192.0.2.7            | 192.0.2.7        | yes | the address itself
192.0.2.7            | 192.0.2.8        | no  | its neighbour
192.0.2.0/24         | 192.0.2.255      | yes | the end of a range
192.0.2.0/24         | 192.0.3.0        | no  | behind the range
192.0.2.0/24         | ::ffff:192.0.2.9 | yes | an IPv4 address as a dual-stack socket shows it
192.0.2.0/24         | ::ffff:192.0.3.9 | no  | the same outside
2001:db8::/32        | 2001:db8:1::1    | yes | IPv6
2001:db8::/32        | 2001:db9::1      | no  | IPv6 outside
2001:db8::/32        | 192.0.2.7        | no  | the other family
0.0.0.0/0            | 203.0.113.9      | yes | every IPv4 address
0.0.0.0/0            | 2001:db8::1      | no  | but no IPv6 one
10.0.0.0/8,192.0.2.7 | 192.0.2.7        | yes | any of several
192.0.2.0/24         |                  | no  | unknown
192.0.2.0/24         | 192.0.2          | no  | half an address
192.0.2.0/24         | 192.0.2.7:80     | no  | with a port
192.0.2.0/24         | 192.000.2.7      | no  | leading zeros, which some read as octal
192.0.2.0/24         | localhost        | no  | a name
"""
ADDRESS_ROWS = [tuple(part.strip() for part in line.split("|")) for line in ADDRESSES.strip("\n").splitlines()]


@pytest.mark.parametrize(("networks", "address", "verdict", "why"), ADDRESS_ROWS, ids=[row[3] for row in ADDRESS_ROWS])
def test_an_address_is_allowed_by_the_networks_that_hold_it(networks, address, verdict, why):
    listed = tuple(ip_network(each) for each in networks.split(","))
    assert address_allowed(listed, address or None) == (verdict == "yes")
