"""The ready application: L2-regularised linear models, trained through a coded cluster.

From the command to the page: `config` and `job` say what is to be run, `source` on which data. `data`, `tables` and
`svmlight` read them into a `dataset`; `prepared` lays it out for the ranks and `cache` keeps it. `launcher` starts the
ranks, `rank` is where they begin, `application` what all of them do, `master` the descent, with `losses` and
`optimisers`, and `delays` the straggling injected for experiments. `report` and `comparison` are what is shown on the
terminal, `output` and `records` what is kept of a run, `figures` and `page` what is drawn of it. The rows are sparse
throughout.
"""
