"""Tables, once, for SQLite and PostgreSQL alike (SQLAlchemy Core).

Conventions: amounts are BIGINT nano-units with the suffix ``_nano``; instants are BIGINT milliseconds since the epoch
in UTC with the suffix ``_ms``; JSON columns hold what is only read whole; identifiers are text made by ``ids``.
"""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# One row a fact about the store itself: the wrapped pepper, the fingerprint of the secret key, seeds.
facts = sa.Table(
    "facts",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)

# A counter per cached view; workers poll it each second and reload when it moved.
revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("slug", sa.String(64), nullable=False, unique=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("owner_email", sa.String(254)),
    sa.Column("timezone", sa.String(64), nullable=False),
    sa.Column("billing", sa.String(16), nullable=False),  # prepaid | open
    sa.Column("credit_limit_nano", sa.BigInteger, nullable=False, default=0),
    sa.Column("policy", sa.JSON, nullable=False),  # {"regions": [...], "no_training": bool}
    sa.Column("status", sa.String(16), nullable=False),  # active | suspended
    sa.Column("opening_balance_nano", sa.BigInteger, nullable=False, default=0),
    sa.Column("price_list", sa.String(64)),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("account_id", sa.String(64), sa.ForeignKey("accounts.id"), nullable=False, index=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("environment", sa.String(64), nullable=False),
    sa.Column("owner", sa.String(254)),
    sa.Column("workflow", sa.String(200)),
    sa.Column("models", sa.JSON, nullable=False),  # patterns; [] means every model
    sa.Column("allowed_ips", sa.JSON, nullable=False),
    sa.Column("allowed_origins", sa.JSON, nullable=False),
    sa.Column("rpm", sa.Integer, nullable=False, default=0),
    sa.Column("tpm", sa.Integer, nullable=False, default=0),
    sa.Column("concurrency", sa.Integer, nullable=False, default=0),
    sa.Column("policy", sa.JSON, nullable=False),
    sa.Column("options", sa.JSON, nullable=False),  # opt-ins such as hedging and continuation
    sa.Column("status", sa.String(16), nullable=False),  # active | paused | revoked
    sa.Column("expires_ms", sa.BigInteger),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("revoked_ms", sa.BigInteger),
    sa.UniqueConstraint("account_id", "name"),
)

# A key's secrets: one is current; after a rotation the old one lives until valid_until_ms.
api_key_secrets = sa.Table(
    "api_key_secrets",
    metadata,
    sa.Column("digest", sa.LargeBinary(32), primary_key=True),
    sa.Column("key_id", sa.String(64), sa.ForeignKey("api_keys.id"), nullable=False, index=True),
    sa.Column("prefix", sa.String(16), nullable=False),
    sa.Column("last4", sa.String(4), nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("valid_until_ms", sa.BigInteger),
)

budgets = sa.Table(
    "budgets",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("scope", sa.String(16), nullable=False),  # account | key
    sa.Column("scope_id", sa.String(64), nullable=False),
    sa.Column("period", sa.String(16), nullable=False),  # total | day | week | month
    sa.Column("limit_nano", sa.BigInteger, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("scope", "scope_id", "period"),
)

providers = sa.Table(
    "providers",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("dialect", sa.String(32), nullable=False),
    sa.Column("base_url", sa.String(500), nullable=False),
    sa.Column("allow_private", sa.Boolean, nullable=False),
    sa.Column(
        "timeouts", sa.JSON, nullable=False
    ),  # {"connect_s": 5, "first_byte_s": 60, "idle_s": 60, "total_s": 600}
    sa.Column("options", sa.JSON, nullable=False),  # proxy, region, headers
    sa.Column("enabled", sa.Boolean, nullable=False),
)

provider_keys = sa.Table(
    "provider_keys",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("provider_id", sa.String(64), sa.ForeignKey("providers.id"), nullable=False, index=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("wrapped_secret", sa.LargeBinary, nullable=False),
    sa.Column("rpm", sa.Integer, nullable=False, default=0),
    sa.Column("concurrency", sa.Integer, nullable=False, default=0),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.UniqueConstraint("provider_id", "name"),
)

# Models and offers that an operator added or overrode; the shipped catalog stays in its files.
models = sa.Table(
    "models",
    metadata,
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("definition", sa.JSON, nullable=False),  # as in the set-up file, amounts as decimal strings
    sa.Column("enabled", sa.Boolean, nullable=False),
)

offers = sa.Table(
    "offers",
    metadata,
    sa.Column("id", sa.String(300), primary_key=True),
    sa.Column("model_id", sa.String(200), nullable=False, index=True),
    sa.Column("provider_id", sa.String(64), nullable=False),
    sa.Column("upstream_model", sa.String(200), nullable=False),
    sa.Column("tier", sa.Integer, nullable=False),
    sa.Column("share", sa.Integer, nullable=False),
    sa.Column("definition", sa.JSON, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
)

fx_rates = sa.Table(
    "fx_rates",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("pair", sa.String(16), nullable=False),
    sa.Column("rate_nano", sa.BigInteger, nullable=False),
    sa.Column("valid_from", sa.String(10), nullable=False),  # ISO date
    sa.Column("source", sa.String(500), nullable=False),
    sa.UniqueConstraint("pair", "valid_from"),
)

# One row a call, also for failed and cut ones.
calls = sa.Table(
    "calls",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("account_id", sa.String(64), nullable=False),
    sa.Column("key_id", sa.String(64), nullable=False),
    sa.Column("environment", sa.String(64), nullable=False),
    sa.Column("owner", sa.String(254)),
    sa.Column("workflow", sa.String(200)),
    sa.Column("user", sa.String(512)),
    sa.Column("model_asked", sa.String(200), nullable=False),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("model_served", sa.String(200)),  # as the upstream named it
    sa.Column("provider", sa.String(64)),
    sa.Column("offer", sa.String(300)),
    sa.Column("stream", sa.Boolean, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),  # HTTP status that the client saw or would have seen
    sa.Column("error_code", sa.String(64)),
    sa.Column("end_reason", sa.String(32), nullable=False),
    sa.Column("prompt_tokens", sa.BigInteger),  # NULL: unknown, never 0
    sa.Column("cached_tokens", sa.BigInteger),
    sa.Column("cache_write_tokens", sa.BigInteger),
    sa.Column("completion_tokens", sa.BigInteger),
    sa.Column("reasoning_tokens", sa.BigInteger),
    sa.Column("usage_source", sa.String(16)),
    sa.Column("suspect", sa.Boolean, nullable=False),
    sa.Column("charge_nano", sa.BigInteger, nullable=False),
    sa.Column("bound_nano", sa.BigInteger, nullable=False, default=0),
    sa.Column("overrun_nano", sa.BigInteger, nullable=False, default=0),
    sa.Column("cost_nano", sa.BigInteger),  # in cost_currency
    sa.Column("cost_currency", sa.String(3)),
    sa.Column("fx_id", sa.String(64)),
    sa.Column("price_version", sa.String(64), nullable=False),
    sa.Column("price_lines", sa.JSON, nullable=False),  # [{"what", "tokens", "rate"}]: the charge worked out
    sa.Column("ttft_ms", sa.Integer),
    sa.Column("total_ms", sa.Integer, nullable=False),
    sa.Column("attempts", sa.JSON, nullable=False),
    sa.Column("evidence", sa.String(200)),
    sa.Column("client_ip", sa.String(64)),
    sa.Column("fund_lines", sa.JSON, nullable=False, server_default="[]"),  # [[fund, nano]]: who paid
    sa.Column("windows", sa.JSON, nullable=False, server_default="[]"),  # budget windows that it counts in
    sa.Column("transfer_id", sa.String(200), index=True),  # the spend that it is part of
    sa.Index("ix_calls_account_created", "account_id", "created_ms", "id"),
    sa.Index("ix_calls_key_created", "key_id", "created_ms", "id"),
    sa.Index("ix_calls_created", "created_ms", "id"),
)

# Sums by hour, written in the transaction that inserts the calls.
usage_hourly = sa.Table(
    "usage_hourly",
    metadata,
    sa.Column("hour_ms", sa.BigInteger, primary_key=True),
    sa.Column("account_id", sa.String(64), primary_key=True),
    sa.Column("key_id", sa.String(64), primary_key=True),
    sa.Column("model", sa.String(200), primary_key=True),
    sa.Column("provider", sa.String(64), primary_key=True),  # "" where none answered
    sa.Column("user", sa.String(512), primary_key=True),  # "" where none was sent
    sa.Column("calls", sa.BigInteger, nullable=False),
    sa.Column("errors", sa.BigInteger, nullable=False),
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
    sa.Column("cached_tokens", sa.BigInteger, nullable=False),
    sa.Column("completion_tokens", sa.BigInteger, nullable=False),
    sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
    sa.Column("charge_nano", sa.BigInteger, nullable=False),
    sa.Column("ttft_sum_ms", sa.BigInteger, nullable=False),
    sa.Column("ttft_count", sa.BigInteger, nullable=False),
    sa.Column("total_sum_ms", sa.BigInteger, nullable=False),
    sa.Index("ix_usage_hourly_account_hour", "account_id", "hour_ms"),
)

# Append-only; ``object`` is an id, never a key or a secret.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("object", sa.String(300), nullable=False),
    sa.Column("before", sa.JSON),
    sa.Column("after", sa.JSON),
    sa.Column("reason", sa.String(500)),
    sa.Column("ip", sa.String(64)),
    sa.Column("hash", sa.LargeBinary(32), nullable=False),  # SHA-256 over the previous hash and this row
)
