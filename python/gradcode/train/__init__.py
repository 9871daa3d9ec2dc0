"""The ready application behind ``gradcode train``: linear models, trained through a coded cluster.

`config` and `presets` say what is to be run, `job` which runs one command makes. `launcher` starts the ranks, `rank`
is where they begin, `application` what all of them do, `descent` the master's part, and `delays` the straggling
injected for experiments. `events` are what rank 0 tells the launcher, and `output` is what a run keeps.
"""
