"""An office over a real store of each kind, and a control plane over it."""

import os

import pytest

from contract.operations.rooms import Room
from smartoken.catalog.files import load_catalog
from smartoken.operations.office import Office
from smartoken.store.vault import Vault

SECRET_KEY = "made-up-but-long-enough-0123456789-abcdef"


def an_office(db, clock):
    """An office over an open store."""
    return Office(db, Vault((SECRET_KEY,)), b"pepper-of-tests", load_catalog(), clock, os.urandom)


@pytest.fixture
def office(db, manual_clock):
    return an_office(db, manual_clock)


@pytest.fixture
def room(office, tmp_path):
    return Room(office, tmp_path)
