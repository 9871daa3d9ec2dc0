"""Training data: from a file to rows laid out for the ranks.

A `source` names the data. `loading` reads them with `svmlight` or `tables` into a `dataset`; `labels` and `split`
number the classes and hold out the test rows. `prepared` is the layout on disk that every rank maps, `cache` keeps it,
and `preparation` is the whole way at once. Rows are sparse throughout.
"""
