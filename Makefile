# The two commands that a newcomer needs are `make image` and `make test`; both set the machine up first.

RECIPE ?= recipes/debian-13.yaml
OUT ?= out
# The recipe whose kernel is configured and compiled from source.
KERNEL ?= recipes/debian-13-custom-kernel.yaml
IMAGE ?= $(OUT)/$(basename $(notdir $(RECIPE))).img.xz
PIFORGE := .build/release/piforge

# One release build serves the program and its tests: without testable imports both have the same compiler flags.
# One test at a time: most run programs or machines that take both cores, and servers that must answer in time.
SWIFT_TEST := swift test -c release --disable-testable-imports --no-parallel

# Suites of a quarter of an hour to an hour each: what people ran into, kernels from source, container runtimes, stock images.
LONG_SUITES := FieldTests|KernelImageTests|RuntimeTests|StockImageTests
LONG ?= $(LONG_SUITES)

.PHONY: help setup setup-test image prove verify kernel kernel-config kernel-config-check test test-long test-kernel reproduce bench check clean

help: ## Show this list.
	@echo "make TARGET [RECIPE=$(RECIPE)] [KERNEL=$(KERNEL)] [OUT=$(OUT)]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 24
	@echo "The program itself is $(PIFORGE)."

setup: ## Install the Debian packages that are missing, and build piforge.
	@scripts/setup.sh

# The programs that only tests use are no business of who makes images.
setup-test:
	@scripts/setup.sh --with scripts/packages-test.txt

image: setup ## Build the image of RECIPE into OUT.
	$(PIFORGE) build $(RECIPE) -o $(OUT)

prove: setup ## Boot IMAGE (the one that `make image` made) and check it.
	$(PIFORGE) prove $(IMAGE)

verify: setup ## Check IMAGE without booting it: sums, xz, partitions, file systems, contents.
	$(PIFORGE) verify $(IMAGE)

kernel: setup ## Compile the kernel of KERNEL from source, to a Debian package in OUT.
	$(PIFORGE) kernel build $(KERNEL) -o $(OUT)

kernel-config: setup ## Make the kernel's configuration of KERNEL, and say what changed.
	$(PIFORGE) kernel config $(KERNEL)

kernel-config-check: setup ## Fail if a committed configuration is stale, or a line of a fragment did not take.
	$(PIFORGE) kernel config $(KERNEL) --check

test: setup-test ## Run the tests: the modules', then those that build and boot whole images, without the long ones.
	$(SWIFT_TEST) --skip AcceptanceTests
	$(SWIFT_TEST) --filter AcceptanceTests --skip '$(LONG_SUITES)'

test-long: setup-test ## Run the long ones: two hours on two cores; LONG=FieldTests runs one of them.
	$(SWIFT_TEST) --filter 'AcceptanceTests\.($(LONG))'

test-kernel: setup ## Compile the kernel of KERNEL, build its image, check and boot it: half an hour and more on two cores.
	$(PIFORGE) build $(KERNEL) -o $(OUT)
	$(PIFORGE) verify $(OUT)/$(basename $(notdir $(KERNEL))).img.xz
	$(PIFORGE) prove $(OUT)/$(basename $(notdir $(KERNEL))).img.xz

reproduce: setup-test ## Build RECIPE again where all differs that must not matter, and compare every byte.
	scripts/reproduce.sh $(RECIPE)

bench: ## Measure piforge against the usual tools, an hour; BENCH=quick for the small recipe, alone.
	@scripts/setup.sh --with scripts/packages-bench.txt
	rm -rf benchmarks/results
	benchmarks/run.sh
ifneq ($(BENCH),quick)
	benchmarks/builders.sh
	benchmarks/blocks.sh
	SIZES="256 1024" RUNS=2 benchmarks/stock.sh
	RUNS=3 benchmarks/fetch.sh
endif
	benchmarks/report.py

check: setup-test ## Check format, shell scripts, what modules import, the pages' links and commands, and the schemas.
	@scripts/check.sh $(PIFORGE)

clean: ## Remove what was built here; caches outside of this folder stay.
	rm -rf .build $(OUT)
