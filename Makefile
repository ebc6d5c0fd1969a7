# make demo       installs what the demonstration needs and runs it
# make test       installs what development needs, runs the linters and the tests
# make test-slow  the tests marked slow and soak
# make dist       builds the wheel and the source archive
# make docs       builds the documentation site into build/docs; a warning is an error
# make models     collects data, trains and exports the shipped models from nothing (about two hours)
# make gpu        on a machine with a GPU: torch against ONNX Runtime, then seconds per action (10 minutes)
# make tables     prints the figures of docs/measurements.md
# make soak       1,000 faults in running arms and cars, prints the tables of docs/soak.md (an hour and more)

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test test-slow test-envs lint docs dist models tables gpu soak gl clean

demo: .venv/sim.stamp gl
	$(BIN)/wm demo

test: lint
	$(BIN)/python -m pytest -m "not slow and not soak" --numprocesses auto --dist loadfile

test-slow: .venv/dev.stamp gl
	$(BIN)/python -m pytest -m "slow or soak"

test-envs: .venv/dev.stamp gl
	$(BIN)/pip install -q -c constraints.txt -e '.[envs]'
	MUJOCO_GL=egl $(BIN)/python -m pytest -rs tests/simulation/test_gym_environments.py

lint: .venv/dev.stamp gl
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

dist: .venv/dev.stamp
	$(BIN)/python -m hatchling build

docs: .venv/docs.stamp
	$(BIN)/python docs/build.py

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/sim.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[sim]'
	@touch $@

.venv/docs.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[docs]'
	@touch $@

.venv/dev.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[dev]'
	@touch $@ .venv/sim.stamp .venv/docs.stamp

# Camera pictures need a GL library that pip cannot install.
gl:
	@ldconfig -p | grep -q libEGL.so.1 || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq libegl1 libgl1 libgles2; \
	else \
		echo "camera pictures need GL: apt-get install libegl1 libgl1 libgles2"; exit 2; \
	fi

# To see it run without a GPU: BENCH="--size base --on cpu --fp32 --samples 2 --repeats 1" make gpu
BENCH ?=
gpu: .venv/dev.stamp build/vjepa2
	timeout 600 sh -c '$(BIN)/python -m pytest -q tests/training/test_device_model.py && \
		$(BIN)/wm bench device --reference build/vjepa2 $(BENCH)'

build/vjepa2:
	git clone --depth 1 https://github.com/facebookresearch/vjepa2 $@

# Data sets are kept once they are there; a training that was stopped resumes.
WM := $(BIN)/wm
TRAIN := $(WM) train models/ac_jepa.py --data data/panda_reach --data data/panda_reach_wall
STATES := $(WM) train models/vjepa2_states.py --recipe droid --data data/franka_droid_128
ACTOR := $(WM) train models/actor.py --recipe small

data/%: | .venv/dev.stamp gl
	$(WM) collect sim/$*.py --out $@ --episodes $(if $(findstring wall,$*),700,400)

data/%_heldout: | .venv/dev.stamp gl
	$(WM) collect sim/$*.py --out $@ --episodes 60 --seed 500000

data/traffic: | .venv/dev.stamp
	$(WM) scenarios $@ --count 288

data/traffic_heldout: | .venv/dev.stamp
	$(WM) scenarios $@ --count 24 --seed 0

data/panda_reach_bullet:
	$(WM) collect bullet --out $@ --episodes 400

data/franka_droid: | .venv/dev.stamp gl
	$(WM) collect sim/franka_droid.py --out $@ --episodes 2000 --steps 16

data/franka_droid_128: data/franka_droid
	$(WM) convert $< $@ --shrink 2

data/glide:
	$(WM) collect sprites,level=glide --out $@ --episodes 6000 --steps 24

data/drive_bev: data/traffic
	$(WM) collect data/traffic --out $@ --episodes 864 --steps 24

data/drive_bev_heldout: data/traffic_heldout
	$(WM) collect data/traffic_heldout --out $@ --episodes 48 --steps 24 --seed 500000

models: data/panda_reach data/panda_reach_wall data/panda_reach_bullet data/franka_droid_128 data/drive_bev data/glide
	$(TRAIN) --recipe small --out runs/panda_reach_small
	$(WM) export runs/panda_reach_small --out models/bundles/panda_reach_small --replace
	$(ACTOR) --of models/bundles/panda_reach_small --out runs/panda_reach_small_actor
	$(WM) export runs/panda_reach_small_actor --out models/bundles/panda_reach_small --replace
	$(TRAIN) --recipe small --set train_encoder=false --out runs/panda_reach_untrained
	$(WM) export runs/panda_reach_untrained --out models/bundles/panda_reach_untrained --replace
	$(TRAIN) --recipe tokens --out runs/panda_reach
	$(WM) export runs/panda_reach --out models/bundles/panda_reach --replace
	$(ACTOR) --of models/bundles/panda_reach --set iterations=700 --set batch=64 --set episodes=150 --out runs/panda_reach_actor
	$(WM) export runs/panda_reach_actor --out models/bundles/panda_reach --replace
	$(subst ac_jepa,vjepa2,$(TRAIN)) --recipe small --out runs/vjepa2
	$(subst ac_jepa,vjepa2_ac,$(TRAIN)) --recipe small --set pretrained=runs/vjepa2 --out runs/panda_reach_vjepa2_ac
	$(WM) export runs/panda_reach_vjepa2_ac --out models/bundles/panda_reach_vjepa2_ac --replace
	$(STATES) --out runs/franka_states
	$(WM) train models/vjepa2_ac.py --data data/franka_droid_128 --recipe droid --set pretrained=runs/franka_states \
		--out runs/franka_droid
	$(WM) export runs/franka_droid --layout vjepa2_ac --out runs/franka_droid.pt --replace
	$(WM) import runs/franka_droid.pt --out models/bundles/franka_droid --precision fp16 --encoder-heads 4 \
		--predictor-heads 4 --replace
	$(WM) train models/ac_jepa.py --data data/drive_bev --recipe birdseye --out runs/drive_bev
	$(WM) export runs/drive_bev --out models/bundles/drive_bev --replace
	$(WM) train models/ac_jepa.py --data data/panda_reach_bullet --recipe small --set iterations=1500 --out runs/panda_reach_bullet
	$(WM) export runs/panda_reach_bullet --out models/bundles/panda_reach_bullet --replace
	$(WM) practise models/tdmpc2.py 'gym,id=Pendulum-v1,names=[torque],units=[N m]' --recipe small --rounds 48 \
		--noise 0.6 --set seed=0 --out runs/pendulum_tdmpc2
	$(WM) export runs/pendulum_tdmpc2 --out models/bundles/pendulum_tdmpc2 --replace
	$(WM) train models/rssm.py --data data/glide --recipe planet --out runs/glide_planet
	$(WM) export runs/glide_planet --out models/bundles/glide_planet --replace
	$(BIN)/python examples/write_a_bundle.py models/bundles/pendulum

DATA ?= ../shared/data
DRIVERS := constant_velocity idm frenet pdm_closed cem mppi
SEARCH := proposals=elites samples=48 iterations=3
SEARCH_WALL := proposals=elites samples=96 iterations=4
TWO_STAGES := horizon=2 $(SEARCH) --model models/bundles/panda_reach_vjepa2_ac --no-baselines --no-greedy

tables: data/panda_reach_heldout data/panda_reach_wall_heldout data/drive_bev_heldout
	$(WM) bench success panda_reach $(SEARCH) --untrained models/bundles/panda_reach_untrained --disturbed 100 --cards
	$(WM) bench success panda_reach_wall $(SEARCH_WALL) --untrained models/bundles/panda_reach_untrained --cards
	for launch in panda_reach panda_reach_wall; do \
		$(WM) bench success $$launch --cards --no-baselines --no-greedy; \
		$(WM) bench success $$launch planner=policy --cards --no-baselines --no-greedy; \
	done
	$(WM) launch franka_droid scene=sim/franka_droid_reach.py steps=12 episodes=100 seed=10000
	$(WM) launch franka_droid episodes=100 seed=10000
	$(WM) bench prediction --data data/panda_reach_heldout --data data/panda_reach_wall_heldout
	$(WM) bench energy --data data/panda_reach_heldout
	$(WM) bench camera-check models/bundles/panda_reach_small --data data/panda_reach_heldout --pairs 20
	$(WM) bench success panda_reach $(TWO_STAGES) --cards
	$(WM) bench success panda_reach $(TWO_STAGES) --near 3 --cards
	$(WM) bench prediction --data data/panda_reach_heldout --model models/bundles/panda_reach_vjepa2_ac
	$(WM) bench energy --data data/panda_reach_heldout --model models/bundles/panda_reach_vjepa2_ac
	$(WM) bench planners
	$(WM) bench planners --peers
	$(WM) bench search --log runs/search.jsonl
	$(WM) bench physics --no-unmodified
	$(WM) bench physics panda_pick --episodes 20
	$(WM) bench physics panda_pick --episodes 20 --set planner.horizon=10
	$(WM) bench rollout
	$(WM) bench calls $(SEARCH)
	$(WM) bench calls horizon=2 $(SEARCH) --model models/bundles/panda_reach_vjepa2_ac
	$(WM) bench call-size --model models/bundles/panda_reach --model models/bundles/panda_reach_small \
		--model models/bundles/panda_reach_vjepa2_ac --model models/bundles/drive_bev
	$(WM) bench render
	$(WM) bench motion --plans 100000
	$(WM) bench motion --robot bmw_320i --plans 100000
	for robot in sim/panda_reach.xml sim/franka_droid.xml bmw_320i; do \
		$(WM) bench fuzz-controller $$robot --messages 334000 --seed 7; \
	done
	$(WM) bench period
	$(WM) bench hangs --load 0
	$(WM) bench bus
	$(WM) bench codec
	$(WM) bench start
	$(WM) bench loop --episodes 10
	$(WM) bench loop panda_reach --model models/bundles/panda_reach_small --episodes 12 --repeats 3 --core 1
	$(WM) bench loop panda_reach planner=policy --episodes 10
	$(WM) bench loop panda_reach $(SEARCH) --episodes 10
	$(WM) bench success panda_reach_bullet --episodes 100 --no-baselines --no-greedy \
		--model models/bundles/panda_reach_bullet --model models/bundles/panda_reach_small
	$(WM) bench returns glide --cut-memory
	$(WM) bench returns pendulum_tdmpc2 --episodes 20
	$(WM) bench returns pendulum_tdmpc2 'planner={type: policy, horizon: 1}' --episodes 20 --no-random
	$(WM) bench data
	$(WM) bench gym
	$(WM) bench sprites
	$(WM) bench pose
	$(WM) bench driving
	$(WM) eval driving $(DATA)/commonroad sim --out runs/driving --solutions runs/driving/solutions \
		$(DRIVERS:%=--planner %) --planner cem,consistency=0
	$(WM) bench commonroad runs/driving
	$(WM) bench prediction --data data/drive_bev_heldout --model models/bundles/drive_bev --quantity speed
	$(WM) bench prediction --data data/drive_bev_heldout --model models/bundles/drive_bev --quantity lead_gap
	$(WM) bench surprise --scenarios data/traffic_heldout
	$(WM) bench rollout --model models/bundles/drive_bev --candidates 64
	$(WM) bench traffic-model --scenarios data/traffic_heldout

SOAK := $(WM) bench soak
SOAKED := runs/soak/arm runs/soak/car runs/soak/bend

soak: .venv/dev.stamp gl
	$(SOAK) panda_reach steps=15 --faults 500 --seed 1000 --out runs/soak/arm
	$(SOAK) drive_merge steps=600 --faults 250 --seed 2000 --out runs/soak/car
	$(SOAK) drive_merge scenario=sim/drive_roundabout.xml steps=600 --faults 250 --seed 3000 --out runs/soak/bend
	$(WM) bench soak-report $(SOAKED)

clean:
	rm -rf .venv .cache build dist runs data
