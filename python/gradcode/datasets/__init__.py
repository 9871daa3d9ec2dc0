"""Training data: files are read, split and written to disk as rows that the ranks map.

- `source`: which data, and how to make rows of them
- `loading`: reads a source into a `dataset`, with `svmlight` or with `tables` (which stand on `frames`); `reading`
  opens and decompresses files
- `labels` and `split`: number the classes, and hold out the test rows
- `prepared`: the layout on disk; `cache` keeps it between runs
- `preparation`: all of these steps in one call

Rows are sparse throughout.
"""
