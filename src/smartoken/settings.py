"""Every environment variable, read once into one frozen record. Only ``app`` and ``__main__`` read it.

A value that cannot be right raises ``SettingError`` that names the variable and the fix. docs/configuration.md lists
the same names; a test compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_PORT = 8000
PORTS = 65_536
MIN_TOKEN = 32
DRILL_LONGEST_S, _MOST_DRILL_S = 300, 3_600
LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingError(ValueError):
    """A setting is wrong; the message names the variable and the fix."""


@dataclass(frozen=True, slots=True)
class ProviderKeySetting:
    """A provider that the environment enables: the variable, its value, and the region asked for."""

    variable: str
    secret: str
    region: str | None

    def __repr__(self) -> str:
        """Show everything but the secret."""
        return f"ProviderKeySetting({self.variable}, region={self.region})"


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment, understood."""

    data_dir: Path
    database_url: str
    valkey_url: str | None = None
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    port_given: bool = False
    workers: int = 1
    public_url: str | None = None
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    admin_token: str | None = None
    token: str | None = None  # whom commands act as; None: this machine
    secret_key: str | None = None
    metrics_token: str | None = None
    drill_longest_s: int = DRILL_LONGEST_S
    log_level: str = "info"
    log_format: str | None = None  # None: text on a terminal, else JSON
    https_proxy: str | None = None
    no_proxy: str | None = None
    ca_bundle: Path | None = None
    upstream_url: str | None = None
    upstream_key: str | None = None
    environment: Mapping[str, str] | None = None  # for `env:` secrets and provider keys; never shown

    def __repr__(self) -> str:
        """Show where things are, and no secret."""
        return f"Settings(data_dir={self.data_dir}, host={self.host}, port={self.port})"

    def provider_key(self, variable: str) -> ProviderKeySetting | None:
        """Return a provider's key from the environment, with the region its ``..._REGION`` setting asks for."""
        env = self.environment or {}
        secret = env.get(variable, "").strip()
        if not secret:
            return None
        region = env.get(variable.removesuffix("_API_KEY") + "_REGION", "").strip()
        return ProviderKeySetting(variable, secret, region or None)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read the environment.

        Raises:
            SettingError: a value cannot be right.

        """
        data_dir = Path(env.get("SMARTOKEN_DATA_DIR") or "data").absolute()
        level = (env.get("SMARTOKEN_LOG_LEVEL") or "info").lower()
        if level not in LOG_LEVELS:
            raise SettingError(f"SMARTOKEN_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}, got {level!r}")
        log_format = env.get("SMARTOKEN_LOG_FORMAT") or None
        if log_format not in (None, "text", "json"):
            raise SettingError(f'SMARTOKEN_LOG_FORMAT must be "text" or "json", got {log_format!r}')
        bundle = env.get("SMARTOKEN_CA_BUNDLE") or None
        if bundle is not None and not Path(bundle).is_file():
            raise SettingError(f"SMARTOKEN_CA_BUNDLE names no file: {bundle}")
        return cls(
            data_dir=data_dir,
            database_url=_database_url(env.get("SMARTOKEN_DATABASE_URL"), data_dir),
            valkey_url=env.get("SMARTOKEN_VALKEY_URL") or None,
            host=env.get("SMARTOKEN_HOST") or "127.0.0.1",
            port=_port(env.get("SMARTOKEN_PORT")),
            port_given=bool(env.get("SMARTOKEN_PORT")),
            public_url=_url("SMARTOKEN_PUBLIC_URL", env.get("SMARTOKEN_PUBLIC_URL")),
            trusted_proxies=_networks(env.get("SMARTOKEN_TRUSTED_PROXIES")),
            admin_token=_token("SMARTOKEN_ADMIN_TOKEN", env.get("SMARTOKEN_ADMIN_TOKEN")),
            token=_token("SMARTOKEN_TOKEN", env.get("SMARTOKEN_TOKEN")),
            secret_key=_token("SMARTOKEN_SECRET_KEY", env.get("SMARTOKEN_SECRET_KEY")),
            metrics_token=_token("SMARTOKEN_METRICS_TOKEN", env.get("SMARTOKEN_METRICS_TOKEN")),
            drill_longest_s=_seconds("SMARTOKEN_DRILL_LONGEST_S", env.get("SMARTOKEN_DRILL_LONGEST_S")),
            log_level=level,
            log_format=log_format,
            https_proxy=_proxy(env.get("HTTPS_PROXY") or env.get("https_proxy")),
            no_proxy=env.get("NO_PROXY") or env.get("no_proxy") or None,
            ca_bundle=Path(bundle) if bundle else None,
            upstream_url=_url("SMARTOKEN_UPSTREAM_URL", env.get("SMARTOKEN_UPSTREAM_URL")),
            upstream_key=env.get("SMARTOKEN_UPSTREAM_KEY") or None,
            environment=dict(env),
        )


def _database_url(text: str | None, data_dir: Path) -> str:
    if not text:
        return f"sqlite:///{data_dir / 'smartoken.db'}"
    if not text.startswith(("postgresql://", "postgres://", "sqlite:///")):
        raise SettingError("SMARTOKEN_DATABASE_URL must start with postgresql:// (or sqlite:///)")
    return text.replace("postgres://", "postgresql://", 1)


def _port(text: str | None) -> int:
    if not text:
        return DEFAULT_PORT
    if not text.isdigit() or not 0 <= int(text) < PORTS:
        raise SettingError(f"SMARTOKEN_PORT must be a number from 0 to 65535, got {text!r}")
    return int(text)


def _seconds(name: str, text: str | None) -> int:
    if not text:
        return DRILL_LONGEST_S
    if not text.isdigit() or not 0 < int(text) <= _MOST_DRILL_S:
        raise SettingError(f"{name} must be a number of seconds from 1 to {_MOST_DRILL_S}, got {text!r}")
    return int(text)


def _url(name: str, text: str | None) -> str | None:
    if not text:
        return None
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingError(f"{name} must be an http(s) URL")
    return text.rstrip("/")


def _proxy(text: str | None) -> str | None:
    if not text:
        return None
    parts = urlsplit(text if "://" in text else f"http://{text}")
    host = parts.hostname or ""
    if parts.scheme != "http" or not ("." in host or ":" in host or host == "localhost" or parts.port):
        raise SettingError("HTTPS_PROXY must look like http://host:port (TLS to the proxy and SOCKS are not spoken)")
    return text


def _token(name: str, text: str | None) -> str | None:
    if not text:
        return None
    if len(text) < MIN_TOKEN:
        raise SettingError(f"{name} must have at least {MIN_TOKEN} characters; make one with `openssl rand -hex 32`")
    return text


def _networks(text: str | None) -> tuple[IPv4Network | IPv6Network, ...]:
    found = []
    for each in (text or "").replace(",", " ").split():
        try:
            found.append(ip_network(each, strict=False))
        except ValueError as error:
            raise SettingError(f"SMARTOKEN_TRUSTED_PROXIES holds {each!r}, which is no CIDR range") from error
    return tuple(found)
