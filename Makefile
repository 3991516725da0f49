# Two commands. Everything else is `cargo xtask help`.
# They need Rust, make and a C compiler; `make test` finds or installs the rest.

.PHONY: help run test toolchain

help:
	@echo "make run    build Connectus and start it with a sandbox tenant on http://127.0.0.1:8360"
	@echo "make test   install what is missing, then run everything CI runs"

# ARGS goes to the server: make run ARGS="--listen 127.0.0.1:9000"
run: toolchain
	cargo run --release --locked --package connectus -- serve --demo $(ARGS)

test: toolchain
	cargo xtask test

toolchain:
	@command -v cargo >/dev/null 2>&1 || { \
	  echo "Rust is missing: install it with rustup (rust-version in Cargo.toml says which)"; \
	  exit 1; }
	@command -v cc >/dev/null 2>&1 || { \
	  echo "A C compiler is missing: sudo apt-get install gcc libc6-dev"; \
	  exit 1; }
