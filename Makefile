# `make demo` and `make test` are all that a fresh Debian 12 machine needs; each installs what is missing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUILD := build
STAMPS := $(BUILD)/stamps

NATIVE_SOURCES := $(shell find bpf native cmake codegen src/retrograde/syscalls -type f -not -name '*.pyc')
PYTHON_SOURCES := $(shell find src -type f -name '*.py')

.PHONY: help demo build test test-here test-unit fuzz lint format wheel wheel-arm64 capture-arm64 replay-arm64 oracle-arm64 test-arm64 test-arm64-all test-kernels bench bench-sufficiency bench-reading bench-replay reference wheel clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

demo: build $(STAMPS)/packages-demo ## record a program that crashes, and go back to the cause
	$(BIN)/retrograde demo

build: $(STAMPS)/installed ## make .venv/bin/retrograde

$(STAMPS)/packages-%: tools/install-packages
	tools/install-packages $*
	@mkdir -p $(@D) && touch $@

$(STAMPS)/venv: pyproject.toml $(STAMPS)/packages-build
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check "nanobind>=2.4,<4" "scikit-build-core>=1.0,<2"
	@touch $@

$(STAMPS)/installed: pyproject.toml CMakeLists.txt $(NATIVE_SOURCES) $(STAMPS)/venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --editable '.[dev,frames]'
	$(BIN)/retrograde syscalls --markdown > docs/reference/syscalls.md
	@touch $@

test: test-here test-arm64 ## all tests of this machine, and those on arm64 under qemu

test-here: build wheel $(STAMPS)/packages-test ## all tests, but those that boot kernels
	$(BIN)/python -m pytest

test-unit: build ## the tests that need no privileges
	$(BIN)/python -m pytest tests/unit

FUZZ_RUNS ?= 20000
FUZZ_SEED ?= $(shell date +%s)
FORGED = RETROGRADE_FUZZ_RUNS=$(FUZZ_RUNS) RETROGRADE_FUZZ_SEED=$(FUZZ_SEED) \
    $(BIN)/python -m pytest -s tests/integration/test_replay_hostile.py

fuzz: build $(STAMPS)/packages-test ## give the sanitized replayer FUZZ_RUNS=20000 forged recordings, others for each FUZZ_SEED
	cmake -G Ninja -S . -B $(BUILD)/fuzz -DRETROGRADE_SANITIZE=ON -DRETROGRADE_STATIC=OFF \
	    -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python
	cmake --build $(BUILD)/fuzz --target retrograde-replay
	RETROGRADE_TEST_REPLAY=$(BUILD)/fuzz/native/replay/retrograde-replay $(FORGED) -k "not reaches"
	$(FORGED) -k reaches # the sanitizers make calls of their own

lint: build $(STAMPS)/packages-test ## ruff, mypy, clang-format
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	git ls-files '*.cpp' '*.h' '*.c' | grep -v '^tests/golden' | xargs clang-format-14 --dry-run --Werror

format: build $(STAMPS)/packages-test ## put the sources in form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	git ls-files '*.cpp' '*.h' '*.c' | xargs clang-format-14 -i

capture-arm64: $(BUILD)/arm64/retrograde-capture ## the static capture program for arm64

$(BUILD)/arm64/retrograde-capture: CMakeLists.txt $(NATIVE_SOURCES) $(STAMPS)/packages-build $(STAMPS)/packages-arm64
	tools/arm64-libraries $(BUILD)/arm64-sysroot
	cmake -G Ninja -S . -B $(BUILD)/arm64 -DCMAKE_BUILD_TYPE=Release \
	    -DCMAKE_TOOLCHAIN_FILE=$(CURDIR)/cmake/aarch64-linux-gnu.cmake \
	    -DRETROGRADE_SYSROOT=$(CURDIR)/$(BUILD)/arm64-sysroot
	cmake --build $(BUILD)/arm64 --target retrograde-capture
	@touch $@

replay-arm64: $(BUILD)/arm64/native/replay/retrograde-replay ## the static program that replays a recording on arm64

$(BUILD)/arm64/native/replay/retrograde-replay: $(BUILD)/arm64/retrograde-capture
	cmake --build $(BUILD)/arm64 --target retrograde-replay
	@touch $@

$(BUILD)/arm64/native/oracle/memory-oracle: $(BUILD)/arm64/retrograde-capture
	cmake --build $(BUILD)/arm64 --target memory-oracle
	@touch $@

oracle-arm64: $(BUILD)/arm64/native/oracle/memory-oracle $(STAMPS)/packages-kernels

test-arm64: build capture-arm64 replay-arm64 oracle-arm64 wheel-arm64 ## record, replay and run the memory oracle on Debian's arm64 kernel under qemu
	$(BIN)/python -m pytest tests/vm -k arm64

test-arm64-all: build capture-arm64 replay-arm64 wheel-arm64 ## all programs of tests/programs/replay, and all tests of gdb (long)
	RETROGRADE_ARM64_PROGRAMS=all $(BIN)/python -m pytest tests/vm/test_replay_arm64.py tests/vm/test_debugging_arm64.py

test-kernels: build $(STAMPS)/packages-kernels ## record on other x86-64 kernels under qemu
	$(BIN)/python -m pytest tests/vm -k amd64

bench: build $(STAMPS)/packages-bench ## what recording costs: docs/experiments/overhead.md
	$(BIN)/python -m bench.overhead

bench-sufficiency: build oracle-arm64 ## is the information enough: docs/experiments/sufficiency.md
	$(BIN)/python -m bench.sufficiency

bench-reading: build ## how fast recordings are read: docs/experiments/reading.md
	$(BIN)/python -m bench.reading --write docs/experiments/reading.md

bench-replay: build $(STAMPS)/packages-bench-replay ## does it replay: docs/experiments/replay.md (hours)
	$(BIN)/python -m bench.replay --rounds 20 --write docs/experiments/replay.md
	$(BIN)/python -m bench.reverse --write docs/explanation/reverse-debugging.md

reference: build ## the pages of docs/reference that are made from the code
	$(BIN)/python tools/reference.py

wheel: $(STAMPS)/wheel ## dist/*.whl, which installs where there is no compiler

$(STAMPS)/wheel: pyproject.toml CMakeLists.txt $(NATIVE_SOURCES) $(PYTHON_SOURCES) $(STAMPS)/venv
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps --wheel-dir dist .
	@touch $@

wheel-arm64: $(STAMPS)/wheel-arm64 ## the same for arm64 and Debian's Python, cross-built

$(STAMPS)/wheel-arm64: $(BUILD)/arm64/retrograde-capture $(PYTHON_SOURCES) $(STAMPS)/venv
	tools/arm64-wheel $(CURDIR)/$(BIN)/python $(CURDIR)/$(BUILD)/arm64-sysroot $(BUILD)/arm64
	@touch $@

clean: ## remove what was built
	rm -rf $(BUILD) dist
