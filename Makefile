# LAYER, LAYERS, PAYLOADS, DEFENCES, TARGET, PRIOR, DATA, METHOD and DEVICE stand for configuration keys; ARGS adds further key=value words (to the training, in
# `make train eval`; to each of the three trainings, in `make prior`, where DEVICE=cuda also takes the sizes of prior_gpu.yaml; to the comparison,
# in `make defend`, where DEFEND_ARGS goes to the training of each defence). IMAGES is a folder of image shards.
LAYER :=
LAYERS :=
PAYLOADS :=
DEFENCES :=
TARGET :=
PRIOR :=
DATA :=
DEVICE :=
INPUT :=
IMAGES :=
METHOD :=
RUN :=
NAME :=
ARGS :=
DEFEND_ARGS :=
PYTHON ?= $(shell for p in python3.11 python3; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
INSTALLED := .venv/.installed
DEV := .venv/.installed-dev
DOCS := .venv/.installed-docs
DEMO := .venv/.installed-demo
INSTALL := $(BIN)/python -m pip install -q --no-compile --disable-pip-version-check -c constraints.txt
# A process a core, one thread each, whole modules in the order of testpaths: those that take longest come first.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n logical --maxprocesses 8 --dist loadscope --no-loadscope-reorder
# Packages are compiled when they are first imported, which setup does for what the stages use; with this variable set, at every import.
unexport PYTHONDONTWRITEBYTECODE

key = $(if $($(1)),$(2)=$(if $(word 2,$($(1))),'$($(1))',$($(1))))
PAIRS = $(strip $(call key,TARGET,target.name) $(call key,LAYER,target.layer))
PREPARE = $(strip $(PAIRS) $(call key,PRIOR,prior) $(call key,DATA,output) $(call key,DEVICE,device) $(if $(filter prepare,$(MAKECMDGOALS)),$(ARGS)))
TRAIN = $(strip $(PAIRS) $(call key,PRIOR,prior) $(call key,DATA,data.path) $(call key,DEVICE,trainer.device) $(ARGS))
EVAL = $(strip $(PAIRS) $(call key,DATA,data) $(call key,DEVICE,device) $(if $(filter train,$(MAKECMDGOALS)),,$(ARGS)))
AUDIT = $(strip $(call key,TARGET,target.name) $(if $(LAYERS),'layers=[$(LAYERS)]') $(call key,PRIOR,prior) $(call key,DATA,data.path) $(call key,DEVICE,trainer.device) $(ARGS))
comma := ,
DEFENDED = runs/defences$(addprefix -,$(subst /,-,$(subst :,-,$(TARGET))))$(addprefix -,$(LAYER))
KINDS = $(subst $(comma), ,$(DEFENCES))
FOLDERS = $(subst $() ,$(comma),$(addprefix $(DEFENDED)/,$(KINDS)))
DEFEND = $(strip $(PAIRS) $(call key,PRIOR,data.prior) $(call key,DEVICE,trainer.device))
TRADEOFF = $(strip $(PAIRS) $(if $(PAYLOADS),'payloads=[$(PAYLOADS)]') $(if $(DEFENCES),'defences=[$(FOLDERS)]') $(call key,PRIOR,prior) $(call key,DATA,data.path) $(call key,DEVICE,trainer.device) $(ARGS))
define train_defence
$(BIN)/inverter defend configs/defend.yaml defence.kind=$(1) $(strip $(DEFEND) output=$(DEFENDED)/$(1) $(DEFEND_ARGS))

endef
INVERT = $(strip $(call key,METHOD,method) $(PAIRS) $(call key,INPUT,input) $(call key,DEVICE,device) $(ARGS))
BENCH = $(strip $(PAIRS) $(call key,PRIOR,prior) $(call key,DEVICE,device) $(ARGS))
GPU = $(if $(filter cuda,$(DEVICE)),configs/prior_gpu.yaml)
PHOTOS = $(if $(wildcard $(IMAGES)/photos-*.tar*),data.photos='$(IMAGES)/photos-*.tar*')
SHARDS = $(strip data.shards='$(IMAGES)/train-*.tar*' data.dev='$(IMAGES)/dev-*.tar*' $(PHOTOS) data.cache=runs/pictures $(call key,DEVICE,trainer.device) $(ARGS))
MEASURED = $(strip val='$(IMAGES)/val-*.tar*' train='$(IMAGES)/train-*.tar*' cache=runs/pictures $(call key,DEVICE,device))
PUBLISH = $(strip $(call key,RUN,run) $(call key,NAME,name) $(ARGS))

require = $(if $(filter $(1),$(MAKECMDGOALS)),$(if $($(2)),,$(error make $(1) needs $(2)=...)))
$(call require,invert,INPUT)
$(call require,prior,IMAGES)
$(call require,publish,RUN)
$(call require,publish,NAME)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help setup dev prepare train eval audit defend invert demo prior publish ladder bench test test-all lint docs clean

help: ## list the targets
	@echo 'usage: make TARGET... [LAYER=blocks.2] [LAYERS=blocks.2,blocks.4] [PAYLOADS=int8,topk:0.1] [DEFENCES=nopeek,disco] [TARGET=timm:NAME] [PRIOR=NAME] [DATA=FOLDER] [IMAGES=FOLDER] [METHOD=direct] [DEVICE=auto|cpu|cuda] [ARGS="key=value ..."] [DEFEND_ARGS="key=value ..."]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-8s  %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(INSTALLED) ## make .venv and install the tested versions into it

dev: $(DEV) ## install what tests and lint need as well

$(BIN)/python:
	$(or $(PYTHON),$(error no Python 3.11 or newer found; give PYTHON=/path/to/python)) -m venv .venv

$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	@echo 'installing into .venv, which takes a few minutes the first time'
	$(INSTALL) --upgrade pip
	$(INSTALL) -e .
	$(BIN)/python -c 'import inverter.stages.train, inverter.stages.evaluate, inverter.stages.invert'
	@touch $@

$(DEV): $(INSTALLED)
	@echo 'installing what tests and lint need, which takes a minute the first time'
	$(INSTALL) -e '.[dev]'
	@touch $@

$(DOCS): $(INSTALLED)
	@echo 'installing what the pages need, which takes half a minute the first time'
	$(INSTALL) -e '.[docs]'
	@touch $@

$(DEMO): $(INSTALLED)
	@echo 'installing what the page in the browser needs, which takes half a minute the first time'
	$(INSTALL) -e '.[demo]'
	@touch $@

prepare: setup ## write train, dev and val pair shards
	$(BIN)/inverter prepare configs/prepare.yaml $(PREPARE)
	$(BIN)/inverter prepare configs/prepare.yaml configs/prepare_dev.yaml $(PREPARE)
	$(BIN)/inverter prepare configs/prepare.yaml configs/prepare_val.yaml $(PREPARE)

train: setup $(if $(DATA),,prepare) ## prepare (unless DATA names pair shards), then train an inverter
	$(BIN)/inverter train configs/train.yaml $(TRAIN)

eval: setup ## evaluate the trained inverter: table, report, reconstructions
	$(BIN)/inverter evaluate configs/eval.yaml $(EVAL)

audit: setup ## prepare, train and evaluate for each of LAYERS (or a choice of them); one page, one JSON
	$(BIN)/inverter audit configs/audit.yaml $(AUDIT)

defend: setup ## train DEFENCES at LAYER, then attack each, and each of PAYLOADS, anew: utility against leakage on one page
	$(foreach kind,$(KINDS),$(call train_defence,$(kind)))
	$(BIN)/inverter tradeoff configs/tradeoff.yaml $(TRADEOFF)

invert: setup ## reconstruct INPUT (a picture, a clip, a folder or features) by METHOD, else with a published inverter
	$(BIN)/inverter invert configs/invert.yaml $(INVERT)

demo: $(DEMO) ## serve a page that inverts photos and features, on this machine, until Ctrl-C
	$(BIN)/inverter demo $(strip $(call key,DEVICE,device) $(ARGS))

prior: setup ## train a prior and its few-step variant on the image shards in IMAGES, and measure them
	$(BIN)/inverter train_prior autoencoder configs/prior_autoencoder.yaml $(strip $(GPU) $(SHARDS))
	$(BIN)/inverter train_prior denoiser configs/prior_denoiser.yaml $(strip $(GPU) $(SHARDS))
	$(BIN)/inverter train_prior distill configs/prior_distill.yaml $(strip $(if $(GPU),data.batch_size=512) $(SHARDS) prior=runs/prior/prior publish=true)
	$(BIN)/inverter evaluate_prior prior=runs/prior/prior output=runs/prior/measured $(MEASURED)
	$(BIN)/inverter evaluate_prior prior=runs/prior/prior+few-step output=runs/prior/measured-few-step $(MEASURED)

publish: setup ## publish the evaluated run RUN under checkpoints/ as NAME
	$(BIN)/inverter publish $(PUBLISH)

ladder: setup ## train, evaluate and publish the inverters of configs/ladder.yaml; goes on where it was stopped
	$(BIN)/inverter ladder configs/ladder.yaml $(ARGS)

bench: setup ## measure how fast this machine is
	$(BIN)/inverter bench configs/bench.yaml $(BENCH)

test: dev ## run the tests but for the slow ones
	$(PYTEST) $(ARGS)

test-all: dev ## run all tests
	$(PYTEST) -m 'slow or not slow' $(ARGS)

lint: dev ## check style, format, types, and that notebooks hold no outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/nbstripout --verify notebooks/*.ipynb

docs: $(DOCS) ## build the pages into site/, strictly: links, anchors, references
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -q

clean: ## remove runs, pair shards and caches; never checkpoints
	rm -rf runs data/shards site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find inverter tests -type d -name __pycache__ -prune -exec rm -rf {} +
