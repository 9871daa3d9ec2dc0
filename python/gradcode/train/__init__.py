"""The application behind ``gradcode train``: linear models, trained through a coded cluster.

- `config` and `presets`: what to run; `delays`: the straggling that is injected for experiments
- `job`: the runs of one command
- `launcher`: starts the ranks and watches them; `rank`: where each rank begins
- `application`: the run on every rank; `descent`: the part of the master
- `events`: what rank 0 tells the launcher; `output`: the files that a run writes
"""
