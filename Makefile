# One line per target; `make` alone lists them. Targets call .venv/bin/conch, which you can also call yourself.
#
# The text of recipe=… must reach the command unchanged, whatever it contains: it is read with $(value …), so make
# never expands it; it is passed in the environment, so the shell never parses it; it follows `--`, so a leading
# dash is not an option (tests/test_makefile.py).
recipe ?= magic_conch
unexport recipe
override export RECIPE_RAW := $(value recipe)

# Variables of an active virtual environment would mislead uv and Python.
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV UV_PROJECT_ENVIRONMENT PYTHONDONTWRITEBYTECODE

MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo sft serve studio verify plan chat stop test unit faults lint audit soak clean

help: ; @awk -F':.*[#]# ' '/^[a-z]+:.*[#]# / {printf "  make %-8s %s\n", $$1, $$2}' Makefile
setup: .venv/setup.stamp ; @echo 'Ready: .venv/bin/conch' ## install the command at .venv/bin/conch
demo: .venv/setup.stamp ; @$(engines) && .venv/bin/conch run -- "$$RECIPE_RAW" ## set up, train, export, serve and verify (recipe=magic_conch)
sft: .venv/setup.stamp ; @$(engines) && .venv/bin/conch sft -- "$$RECIPE_RAW" ## fine-tune and export recipe=NAME
serve: .venv/setup.stamp ; @$(engines) && .venv/bin/conch serve -- "$$RECIPE_RAW" ## serve the latest good export of recipe=NAME
studio: .venv/studio.stamp ; @$(engines) && .venv/bin/conch studio ## serve OpenAI's API for files, fine-tuning jobs and models
verify: .venv/setup.stamp ; @.venv/bin/conch verify -- "$$RECIPE_RAW" ## ask the questions of recipe=NAME and check the answers
plan: .venv/setup.stamp ; @.venv/bin/conch plan -- "$$RECIPE_RAW" ## print every file and command of recipe=NAME; run nothing
chat: .venv/setup.stamp ; @.venv/bin/conch chat -- "$$RECIPE_RAW" ## chat with the model of recipe=NAME
stop: ; @test ! -x .venv/bin/conch || .venv/bin/conch stop ## stop every process that Conch started here
test: .venv/dev.stamp ; @$(tests) ## ruff, mypy --strict, import contracts, and all tests, the real end-to-end ones among them
unit: .venv/dev.stamp ; @$(unit) ## run the tests that need no engine
faults: .venv/dev.stamp ; @$(engines) && .venv/bin/conch pull embedded && .venv/bin/python -m pytest -q -k test_fault ## run the numbered faults and print how many passed (minutes)
lint: .venv/dev.stamp ; @$(lint) ## ruff, mypy --strict, import contracts
audit: .venv/setup.stamp ; @.venv/bin/conch env audit ## look up known vulnerabilities of every pinned package
soak: .venv/dev.stamp ; @$(engines) && .venv/bin/python -m pytest -m soak ## run the tests that take longer than a normal test run (docs/soak.md)
clean: ; @rm -rf .venv .uv dist .*_cache .hypothesis && find . -path ./runs -prune -o -name __pycache__ -prune -exec rm -rf {} + ## remove what set-up and tools created; never runs/ or CONCH_HOME

# ── set-up ──────────────────────────────────────────────────────────────────────────────────────────
# uv is taken from PATH, or installed into .uv/ at the version below. Packages that uv.lock pins are installed by
# hash instead of with `uv sync`, which uses the addresses in the lockfile and ignores a mirror. A stamp file appears
# only when everything succeeded: an interrupted set-up starts again, and a completed one costs nothing.
UV_VERSION := 0.13.9
UV := $(if $(shell command -v uv),uv,.uv/bin/uv)

# The stamp records its folder: programs in a .venv contain their folder, so a moved clone needs a new one.
export HERE := $(CURDIR)
ifneq ($(file < .venv/setup.stamp),$(HERE))
.PHONY: .venv/setup.stamp
endif

.venv/setup.stamp: pyproject.toml uv.lock Makefile
	@$(bring_uv)
	@echo 'Setting up .venv …' >&2
	@test "$$(cat $@ 2>/dev/null)" = "$$HERE" || rm -rf .venv
	@$(call install,--no-dev) && .venv/bin/python -m compileall -q orchestrator && printf '%s' "$$HERE" > $@

.venv/dev.stamp: .venv/setup.stamp
	@$(bring_uv)
	@echo 'Adding the development tools …' >&2
	@$(call install) && touch $@

.venv/studio.stamp: .venv/setup.stamp
	@$(bring_uv)
	@echo 'Adding the server of conch studio …' >&2
	@$(call install,--no-dev --extra studio) && touch $@

# The engines' environments in CONCH_HOME; costs nothing if they exist.
engines = .venv/bin/conch env sync

lint = .venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports

# Tests wait more than they compute, so there are more workers than cores. Tests that load a model use every core
# and run alone (tests/conftest.py).
unit = .venv/bin/python -m pytest -m 'not soak and not real' -n 3 --dist worksteal
real = .venv/bin/python -m pytest -m 'real and model and not soak'
probes = .venv/bin/python -m pytest -m 'real and not model and not soak' -n 2 --dist loadfile

# The environments are built while the linters run. Everything runs, whatever failed before.
define tests
failed=0; { $(lint); } > .venv/lint.log 2>&1 & \
$(engines) && .venv/bin/conch pull embedded || failed=1; \
wait $$! || failed=1; cat .venv/lint.log; \
$(unit) || failed=1; $(probes) || failed=1; $(real) || failed=1; exit $$failed
endef

define install
mirror=$${UV_DEFAULT_INDEX:-$${UV_INDEX_URL:-$$PIP_INDEX_URL}}; test -z "$$mirror" || export UV_DEFAULT_INDEX="$$mirror"; \
$(UV) venv --quiet --allow-existing .venv && \
$(UV) export --quiet --frozen --no-emit-project $(1) --output-file .venv/requirements.txt && \
$(UV) pip install --quiet --python .venv --require-hashes --compile-bytecode -r .venv/requirements.txt && \
$(UV) pip install --quiet --python .venv --no-deps --editable .
endef

define bring_uv
command -v $(UV) >/dev/null && exit 0; \
echo 'Fetching uv $(UV_VERSION) into .uv …' >&2; \
for python in python3 python3.11 python3.12 python3.13 ''; do \
  test -n "$$python" || { echo 'Conch needs Python 3.11 or newer, but none is on PATH. Debian, Ubuntu: apt install python3.11 python3.11-venv' >&2; exit 3; }; \
  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
done; \
rm -rf .uv/new; mkdir -p .uv/bin; \
"$$python" -m venv .uv/new || { echo "$$python cannot create a virtual environment. Debian, Ubuntu: apt install python3-venv" >&2; exit 3; }; \
mirror=$${PIP_INDEX_URL:-$$UV_DEFAULT_INDEX}; test -z "$$mirror" || export PIP_INDEX_URL="$$mirror"; \
.uv/new/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) && mv .uv/new/bin/uv .uv/bin/uv && rm -rf .uv/new
endef
