# Each target is `python3 dev.py TARGET`; without make, call that. ARGS are passed on: make test ARGS="-k wallet".
PYTHON3 ?= python3
TARGETS := run test check acceptance bench test-real test-full docs assets screenshots lock fmt

.PHONY: help $(TARGETS)
help:
	@$(PYTHON3) dev.py --help
$(TARGETS):
	@$(PYTHON3) dev.py $@ $(ARGS)
