# Two commands do all set-up on a fresh machine: `make demo` and `make test`.
.PHONY: demo test test-long fuzz test-peers test-all-pg bench bench-peers build fmt clean help

help:
	@echo 'make demo         build, then run the whole plan on a throwaway PostgreSQL (result in ./ledger-demo)'
	@echo 'make test         formatting, lints, licences and all tests, on PostgreSQL 15 and 18'
	@echo 'make test-all-pg  the same with 16 and 17 as well'
	@echo 'make test-peers   histories shared with every other migration tool that can be had; compiles some for minutes'
	@echo 'make test-long    the proofs that take minutes: every byte of a whole package flipped, for both verifiers; a thousand killed writers; 5 GiB of evidence; every policy of every schema broken'
	@echo 'make fuzz         each fuzz target for ten minutes'
	@echo 'make bench        speed as ratios, measured side by side in one run'
	@echo 'make bench-peers  300 migrations applied by every other tool that can be had, and by ledger, in turns'
	@echo 'make build        the release binary, target/release/ledger'

build:
	cargo build --release --locked

demo:
	@tools/postgres.sh >/dev/null
	cargo build --release --locked
	LEDGER_PG_BIN="$$(tools/postgres.sh)" target/release/ledger demo --out ledger-demo --force

test:
	tools/test.sh

test-peers:
	tools/peers.sh all
	LEDGER_TEST_PG_BIN="$$(tools/postgres.sh 15)" cargo test --locked --test layouts peers -- --include-ignored

test-all-pg:
	tools/test.sh 15 16 17 18

test-long:
	cargo test --locked --test verifiers -- --ignored every_flipped_byte many_changed_packages
	cargo test --locked --test chain_writers -- --ignored --nocapture a_thousand_kills
	cargo test --locked --test evidence -- --ignored --nocapture five_gibibytes
	cargo test --locked --test row_security -- --ignored --nocapture broken_policies_of_every_schema

fuzz:
	tools/fuzz.sh

bench:
	LEDGER_PG_BIN="$$(tools/postgres.sh)" cargo bench --locked --bench bench

bench-peers:
	tools/peers.sh all
	LEDGER_PG_BIN="$$(tools/postgres.sh)" cargo bench --locked --bench bench -- peers

fmt:
	cargo fmt

clean:
	cargo clean
