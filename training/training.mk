# Training of the two models; included by the Makefile of the project, and usable alone: make -f training/training.mk ...
# FACES, CLASSROOM, ROOMS: where the data lies (training/README.md says what it is); without it a tiny generated set is used.
# RUNS: where checkpoints and reports go. The same commands run on a GPU where there is one.

TRAINING := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
TRAIN_PYTHON ?= $(TRAINING).venv/bin/python
RUNS ?= $(TRAINING)runs
FACES ?= $(TRAINING)data/fer2013
CLASSROOM ?= $(TRAINING)data/classroom
ROOMS ?= $(TRAINING)data/rooms
THREADS ?= 0
TARGET_DIR ?= $(TRAINING)../target
# A smoke run: EPOCHS=1 LIMIT=500 for expression, STEPS=20 LIMIT=8 for heads.
EPOCHS ?= 128
STEPS ?= 10000
LIMIT ?=

IN_TRAINING = cd $(TRAINING) && $(TRAIN_PYTHON) -m
EXPRESSION_RUN = $(abspath $(RUNS))/expression$(if $(LIMIT),_smoke)
HEADS_RUN = $(abspath $(RUNS))/heads$(if $(LIMIT),_smoke)
TRAIN_OPTIONS = --threads $(THREADS) $(if $(LIMIT),--limit $(LIMIT)) $(TRAIN_EXTRA)

WITH_ROOMS = $(if $(wildcard $(ROOMS)/*/labels.json),--rooms $(abspath $(ROOMS)))

TRAIN_READY := $(TRAINING).venv/ready
CARD ?= $(TRAINING)../models/expression.toml

.PHONY: readability train-setup train-test train-smoke train-show train-negatives train-ablation train-expression train-heads train-export train-speed eval eval-rooms

train-setup: $(TRAIN_READY) ## Python environment for training (about 8 GB with CUDA's libraries)

$(TRAIN_READY): $(TRAINING)requirements.txt
	python3 -c 'import sys; sys.exit("training needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	python3 -m venv $(TRAINING).venv
	$(TRAIN_PYTHON) -m pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes -r $(TRAINING)requirements.txt
	touch $@

train-test: train-setup ## tests of the training code
	cd $(TRAINING) && ROOMS=$(abspath $(ROOMS)) $(TRAIN_PYTHON) -m pytest -q -rs

train-smoke: train-setup ## the whole way from generated pictures to measured INT8 files, in a minute
	rm -rf $(TARGET_DIR)/train-smoke
	$(MAKE) train-expression EPOCHS=1 LIMIT=500 THREADS=1 FACES=/none RUNS=$(TARGET_DIR)/train-smoke
	$(MAKE) train-heads STEPS=20 LIMIT=8 THREADS=1 CLASSROOM=/none RUNS=$(TARGET_DIR)/train-smoke
	$(MAKE) train-export eval LIMIT=500 FACES=/none CLASSROOM=/none RUNS=$(TARGET_DIR)/train-smoke

train-show: ## tables and pictures of the data, for local looking only
	$(IN_TRAINING) moodtrain.data.show --faces $(abspath $(FACES)) --classroom $(abspath $(CLASSROOM)) --out $(abspath $(RUNS))/data

train-negatives: ## pictures without people from the folders FROM="DIR..." into RUNS/negatives; look through them
	$(IN_TRAINING) moodtrain.data.negatives --from $(abspath $(FROM)) --out $(abspath $(RUNS))/negatives

train-expression: ## train the expression network, or go on with it
	$(IN_TRAINING) moodtrain.expression.train --data $(abspath $(FACES)) --run $(EXPRESSION_RUN) --epochs $(EPOCHS) $(TRAIN_OPTIONS)

train-ablation: ## short runs of the networks and optimizers side by side, watched on a split of Training [EPOCHS=3]
	$(IN_TRAINING) moodtrain.expression.ablation --data $(abspath $(FACES)) --run $(abspath $(RUNS))/ablation --epochs $(EPOCHS) --threads $(THREADS)

train-heads: ## train the detector, or go on with it
	$(IN_TRAINING) moodtrain.heads.train --data $(abspath $(CLASSROOM)) --run $(HEADS_RUN) --cache $(HEADS_RUN) $(WITH_ROOMS) --steps $(STEPS) $(TRAIN_OPTIONS)

train-speed: ## time of the exported networks beside a detector of YuNet's kind
	$(IN_TRAINING) moodtrain.heads.speed --models $(abspath $(RUNS))/export

train-export: ## both networks as full-INT8 .tflite in RUNS/export
	$(IN_TRAINING) moodtrain.expression.export --checkpoint $(EXPRESSION_RUN)/final.pt --data $(abspath $(FACES)) --out $(abspath $(RUNS))/export
	$(IN_TRAINING) moodtrain.heads.export --checkpoint $(HEADS_RUN)/final.pt --data $(abspath $(CLASSROOM)) $(WITH_ROOMS) --out $(abspath $(RUNS))/export

eval: ## measure what was exported: reports, figures and model cards (counts as a look at PublicTest) [PROGRAM=moodring]
	$(IN_TRAINING) moodtrain.expression.evaluate --models $(abspath $(RUNS))/export --data $(abspath $(FACES)) --out $(abspath $(RUNS))/report/expression
	$(IN_TRAINING) moodtrain.heads.evaluate --models $(abspath $(RUNS))/export --data $(abspath $(CLASSROOM)) --out $(abspath $(RUNS))/report/heads $(if $(PROGRAM),--program $(abspath $(PROGRAM)))

eval-rooms: ## heads, false boxes and readings in rooms of other kinds, through the program [PROGRAM=moodring MODELS=DIR]
	$(IN_TRAINING) moodtrain.heads.evaluate_rooms --program $(abspath $(or $(PROGRAM),$(TARGET_DIR)/release/moodring)) $(if $(MODELS),--models $(abspath $(MODELS))) \
	  --rooms $(abspath $(ROOMS)) --classroom $(abspath $(CLASSROOM)) --out $(abspath $(RUNS))/report/rooms $(EVAL_EXTRA)

readability: ## from which size, light and sharpness on faces can be read: the defaults of [readability] [CARD=card]
	$(IN_TRAINING) moodtrain.expression.readability --card $(abspath $(CARD)) --data $(abspath $(FACES))
