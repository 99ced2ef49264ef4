"""Set-up files for tests: one that is right, and pieces to break it with."""

PROVIDER = """
[[provider]]
id = "up1"
dialect = "openai"
base_url = "http://127.0.0.1:9101/v1"
allow_private = true
keys = [{ name = "main", secret = "env:UP1_KEY", rpm = 0, concurrency = 0 }]
timeouts = { connect_s = 5, first_byte_s = 60, idle_s = 60, total_s = 600 }
"""
MODEL = """
[[model]]
id = "test/alpha"
name = "Alpha"
context = 32768
max_output = 4096
price = { currency = "USD", input = "0.50", cached_input = "0.05", output = "1.50" }
[[model.offer]]
provider = "up1"
upstream_model = "alpha-up"
tier = 1
share = 100
cost = { currency = "CNY", input = "2", cached_input = "0.2", output = "3" }
"""
ACCOUNT = """
[[account]]
id = "acme"
name = "Acme"
owner_email = "ops@acme.test"
timezone = "UTC"
billing = "prepaid"
balance = "10.00"
budgets = [{ limit = "50.00", period = "month" }]
policy = { regions = [], no_training = false }
[[account.key]]
name = "staging"
secret = "env:ACME_KEY"
environment = "staging"
owner = "alice@acme.test"
workflow = "support-replies"
budget = "1.00"
period = "total"
models = ["test/*"]
limits = { rpm = 0, tpm = 0, concurrency = 0 }
allowed_ips = []
allowed_origins = []
"""
FX = """
[[fx]]
pair = "CNY/USD"
rate = "0.1409"
valid_from = 2026-11-01
source = "typed by hand"
"""
SITE = """
[site]
name = "Example"
support_email = "help@example.test"
show_providers = true
"""
WHOLE = SITE + PROVIDER + MODEL + ACCOUNT + FX
