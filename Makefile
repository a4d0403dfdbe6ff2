# Every target that needs Python packages sets up .venv first; nothing outside the checkout and
# the user's cache folder is touched. Only Python 3.11 or newer, make and git must be there.

PYTHON ?=
ARGS ?=
# Processes for the tests; each one that meets a real test starts servers of its own.
JOBS ?= 2
IMAGE ?= spire-registrar:dev
# The engine that builds it, if it shall not be the first that works.
ENGINE ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo demo-csi test test-real lint types generate verify bench soak fuzz cluster topology \
  tools lock site audit sbom dist image image-twice clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with everything in it, the command too; again only after changes

# The versions that work, whatever the machine calls them; a shim that can't run is passed over.
# A .venv whose Python has gone is made anew, and so is one that Ctrl-C left without pip.
$(STAMP): setup.cfg devcluster/pyproject.toml requirements.lock
	@set -e; \
	ok='import sys; sys.exit(sys.version_info < (3, 11))'; \
	if ! $(BIN)/python -c "import pip; $$ok" 2>/dev/null; then \
	  found=; \
	  for candidate in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
	    if $$candidate -c "$$ok" 2>/dev/null; then found=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "no Python 3.11 or newer here: install one, or make setup PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	  fi; \
	  echo "making $(VENV) with $$($$found --version)"; \
	  $$found -m venv --clear $(VENV); \
	fi
	@echo "installing what requirements.lock names"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --no-deps --no-build-isolation --editable . --editable ./devcluster
	@touch $@

demo: $(STAMP) ## run the main job; ARGS=--real: on real servers, --cluster: on a real node; --once checks it
	$(BIN)/python hack/demo.py $(ARGS)

demo-csi: $(STAMP) ## run the node driver with a stand-in kubelet: TLS while SVIDs rotate
	$(BIN)/spire-registrar dev --csi $(ARGS)

test: $(STAMP) ## run all tests; those on real servers only if these are built (CI=true: all)
	$(BIN)/pytest --numprocesses $(JOBS) --dist loadfile $(ARGS)

test-real: tools ## build the real servers if need be, then run the tests on them
	SPIRE_REGISTRAR_REAL=1 $(BIN)/pytest -m real $(ARGS)

lint: $(STAMP) ## check style, format and the layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(STAMP) ## check types, strictly
	$(BIN)/mypy

generate: $(STAMP) ## write the generated files anew: CRDs and what else comes from the types
	$(BIN)/python hack/generate.py

verify: $(STAMP) ## fail if a generated file is stale, and name it
	$(BIN)/python hack/generate.py --check

bench: tools ## measure the figures of docs/performance.md on a real API server
	$(BIN)/python hack/bench.py $(ARGS)

soak: tools ## random work in every mode while faults come, on real servers, judged; ARGS=--help
	$(BIN)/python -m hack.soak $(ARGS)

fuzz: $(STAMP) ## hostile inputs to all that reads what others wrote, for minutes; ARGS=--help
	$(BIN)/python hack/fuzz.py $(ARGS)

cluster: $(STAMP) ## start a real node (as root): kubelet, containerd, our image; ARGS=stop ends it
	$(BIN)/python -m hack.node $(ARGS)

topology: $(STAMP) ## start, test and stop SPIRE topologies on a real node (as root); ARGS=all or modules
	$(BIN)/python -m hack.topology $(ARGS)

tools: $(STAMP) ## build kube-apiserver, etcd, SPIRE, … once, about 10 to 15 minutes
	$(BIN)/python hack/tool_build.py

# One lock for all of Python 3.11 to 3.13 and all platforms. setup.cfg decides what may be in it.
lock: $(STAMP) ## choose the newest versions that fit and write the lock files
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile $(LOCK_OPTIONS) --extra dev --extra top --output-file requirements.lock setup.cfg
	$(BIN)/uv pip compile $(LOCK_OPTIONS) --constraint requirements.lock \
	  --output-file requirements-run.lock setup.cfg
	cd hack/tools && $(CURDIR)/$(BIN)/uv pip compile $(LOCK_OPTIONS) --output-file pip-audit.lock pip-audit.in
	cd hack/tools && $(CURDIR)/$(BIN)/uv pip compile $(LOCK_OPTIONS) --output-file site.lock site.in

LOCK_OPTIONS := --quiet --upgrade --universal --generate-hashes --python-version 3.11 \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

site: $(STAMP) ## build the docs as a site into build/site, all links checked; ARGS=--serve shows it
	$(BIN)/python hack/site.py $(ARGS)

audit: $(STAMP) ## ask whether what we ship has known vulnerabilities; fails for a finding
	$(BIN)/python hack/audit.py $(ARGS)

sbom: $(STAMP) ## write the bill of materials of what we ship, CycloneDX JSON; ARGS=--output=FILE
	@$(BIN)/python hack/sbom.py $(ARGS)

dist: $(STAMP) ## build the wheel and its bill of materials into dist/, the same bytes anywhere
	$(BIN)/python hack/dist.py $(ARGS)

image: $(STAMP) ## build the container image with the first of podman, docker and buildah that works
	@$(BIN)/python hack/image.py $(IMAGE) $(if $(ENGINE),--engine $(ENGINE)) -- $(ARGS)

image-twice: $(STAMP) ## build the image twice (as root), and fail unless both are the same bytes
	$(BIN)/python -m hack.image_twice

clean: ## remove what was made in the checkout; the built servers stay in the cache
	rm -rf $(VENV) build dist *.egg-info devcluster/build devcluster/*.egg-info .mypy_cache .pytest_cache .ruff_cache \
	  .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
